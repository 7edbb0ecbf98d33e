import type { IncomingMessage } from 'node:http';
import { decide } from '../../policy/rules/index.ts';
import { readFacts } from '../dialects/openai.ts';
import { order } from './order.ts';

/** Stands for its layer. */
export const runPipeline = (request: IncomingMessage) => [decide, readFacts, order, request];

import * as violation from '../dialects/openai.ts';
import { createServer } from 'node:http';
import type { Run } from '../../storage/schema/run.ts';

/** Stands for its layer. */
export const runSimulator = (run: Run) => [createServer, run];

export const planted = violation;

import * as violation from 'fastify';
import { LogicEngine } from 'json-logic-engine';
import type { Run } from '../../storage/schema/run.ts';
import { hash } from '../evidence/index.ts';

/** Stands for its layer. */
export const decide = (run: Run) => hash(String(new LogicEngine().run(true, run)));

export const planted = violation;

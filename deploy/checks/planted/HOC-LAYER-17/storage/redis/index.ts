import * as violation from '../../policy/rules/index.ts';
import { Redis } from 'ioredis';
import type { Run } from '../schema/run.ts';

/** Stands for its layer. */
export const reserve = (run: Run) => [Redis, run];

export const planted = violation;

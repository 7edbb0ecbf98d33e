import * as violation from 'yaml';
import pg from 'pg';
import type { Run } from '../schema/run.ts';

/** Stands for its layer. */
export const read = (run: Run) => [pg, run];

export const planted = violation;

import * as violation from 'node:fs';
import type { Run } from '../../storage/schema/run.ts';

/** Stands for its layer. */
export const ship = (run: Run) => run;

export const planted = violation;

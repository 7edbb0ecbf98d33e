import * as violation from '../../policy/rules/index.test.ts';
import type { Run } from '../../storage/schema/run.ts';

/** Stands for its layer. */
export const order = (run: Run) => run;

export const planted = violation;

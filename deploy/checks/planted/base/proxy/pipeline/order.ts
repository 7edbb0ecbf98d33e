import type { Run } from '../../storage/schema/run.ts';

/** Stands for its layer. */
export const order = (run: Run) => run;

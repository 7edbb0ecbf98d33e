import type { Run } from '../../storage/schema/run.ts';

/** Stands in no layer. */
export const extra = (run: Run) => run;

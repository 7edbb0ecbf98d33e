import type { Run } from '../../storage/schema/run.ts';

/** Stands for its layer. */
export const order = (run: Run) => run;

/** Stands for its layer. */
export const load = (name: string) => import(name);

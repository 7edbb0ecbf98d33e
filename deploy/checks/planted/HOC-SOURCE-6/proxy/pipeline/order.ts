import type { Run } from '../../storage/schema/run.ts';

/** Stands for its layer. */
export const order = (run: Run) => run;

/** Stands for its layer. */
export function tooMany(first: Run, second: Run, third: Run, fourth: Run) {
  return [first, second, third, fourth];
}

import * as violation from '../pipeline/order.ts';
import type { Run } from '../../storage/schema/run.ts';

/** Stands for its layer. */
export const readFacts = (run: Run) => run.id;

export const planted = violation;

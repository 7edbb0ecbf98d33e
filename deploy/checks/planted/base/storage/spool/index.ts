import { openSync } from 'node:fs';
import type { Run } from '../schema/run.ts';

/** Stands for its layer. */
export const append = (run: Run) => [openSync, run];

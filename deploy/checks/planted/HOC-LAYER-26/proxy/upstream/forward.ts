import * as violation from 'yaml';
import { Pool } from 'undici';
import type { Run } from '../../storage/schema/run.ts';

/** Stands for its layer. */
export const forward = (run: Run) => [Pool, run];

export const planted = violation;

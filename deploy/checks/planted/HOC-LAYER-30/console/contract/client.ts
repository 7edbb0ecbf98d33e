import * as violation from 'node:fs';
import { Type } from 'typebox';
import type { Run } from '../../storage/schema/run.ts';

/** Stands for its layer. */
export const contract = (run: Run) => [Type, run];

export const planted = violation;

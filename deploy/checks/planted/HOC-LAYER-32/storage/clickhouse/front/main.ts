import * as violation from '../index.ts';
import { Session } from 'chdb';
import type { Run } from '../../schema/run.ts';

/** Stands for its layer. */
export const runFront = (run: Run) => [Session, run];

export const planted = violation;

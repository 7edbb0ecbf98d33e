import { Session } from 'chdb';
import type { Run } from '../../schema/run.ts';

/** Stands for its layer. */
export const runFront = (run: Run) => [Session, run];

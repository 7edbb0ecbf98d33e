import { createServer } from 'node:http';
import type { Run } from '../../storage/schema/run.ts';

/** Stands for its layer. */
export const runSimulator = (run: Run) => [createServer, run];

import { spawn } from 'node:child_process';
import type { Run } from '../../storage/schema/run.ts';

/** Stands for its layer. */
export const runStart = (run: Run) => [spawn, run];

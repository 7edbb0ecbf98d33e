import { Worker } from 'node:worker_threads';

/** Stands for its layer. */
export const inspect = (entry: URL) => new Worker(entry);

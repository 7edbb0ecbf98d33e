export { createQueue, createWorker, type JobQueue, type JobWorker, type QueuedJob } from './queue.ts';

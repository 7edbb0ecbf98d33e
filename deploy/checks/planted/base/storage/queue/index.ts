import { Queue } from 'bullmq';
import { Redis } from 'ioredis';

export const enqueue = [Queue, Redis];

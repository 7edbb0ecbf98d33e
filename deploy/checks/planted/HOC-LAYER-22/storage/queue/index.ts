import * as violation from 'yaml';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';

export const enqueue = [Queue, Redis];

export const planted = violation;

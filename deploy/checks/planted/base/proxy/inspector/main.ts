import { parentPort } from 'node:worker_threads';
import { decide } from '../../policy/rules/index.ts';

parentPort?.on('message', decide);

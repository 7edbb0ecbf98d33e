import { read } from '../storage/postgres/index.ts';
import { enqueue } from '../storage/queue/index.ts';
import { seal as close } from '../storage/vault/index.ts';
import { seal } from './jobs/seal.ts';
import { serve } from './server.ts';

export const runControl = [read, enqueue, close, seal, serve];

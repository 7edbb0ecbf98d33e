import { read } from '../storage/postgres/index.ts';
import { enqueue } from '../storage/queue/index.ts';
import { seal as close } from '../storage/vault/index.ts';
import { listRuns } from './operations/list-runs.ts';
import { seal } from './jobs/seal.ts';
import { serve } from './server.ts';

export const runControl = [listRuns, read, enqueue, close, seal, serve];

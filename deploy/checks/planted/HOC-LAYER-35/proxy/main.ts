import { planted } from './metrics.ts';
import { append } from '../storage/spool/index.ts';
import { reserve } from '../storage/redis/index.ts';
import { inspect } from './inspector/threads.ts';
import { serve } from './server.ts';
import { forward } from './upstream/forward.ts';

export const runProxy = [planted, append, reserve, serve, forward];

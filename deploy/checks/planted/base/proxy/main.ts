import { append } from '../storage/spool/index.ts';
import { reserve } from '../storage/redis/index.ts';
import { serve } from './server.ts';
import { forward } from './upstream/forward.ts';

export const runProxy = [append, reserve, serve, forward];

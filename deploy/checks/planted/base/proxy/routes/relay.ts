import { runPipeline } from '../pipeline/index.ts';

export const relay = runPipeline;

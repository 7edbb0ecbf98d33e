import * as violation from '../../console/operations/list-runs.ts';
import { runPipeline } from '../pipeline/index.ts';

export const relay = runPipeline;

export const planted = violation;

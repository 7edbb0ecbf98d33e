import * as violation from '../../policy/rules/index.ts';
import { runPipeline } from '../pipeline/index.ts';

export const relay = runPipeline;

export const planted = violation;

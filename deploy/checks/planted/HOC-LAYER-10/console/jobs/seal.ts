import * as violation from '../routes/runs.ts';
import { hash } from '../../policy/evidence/index.ts';

export const seal = hash;

export const planted = violation;

import * as violation from '../../policy/rules/index.ts';
import { hash } from '../../policy/evidence/index.ts';

export const runWitness = hash;

export const planted = violation;

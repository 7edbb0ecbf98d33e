import { hash } from '../../policy/evidence/index.ts';

export const runWitness = hash;

import { hash } from '../../policy/evidence/index.ts';

export const seal = hash;

import { createCipheriv } from 'node:crypto';

export const seal = createCipheriv;

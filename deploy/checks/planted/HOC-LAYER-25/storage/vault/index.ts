import * as violation from 'yaml';
import { createCipheriv } from 'node:crypto';

export const seal = createCipheriv;

export const planted = violation;

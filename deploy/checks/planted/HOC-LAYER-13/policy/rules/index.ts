import * as violation from '../../storage/redis/index.ts';
import canonicalize from 'canonicalize';
import type { Run } from '../../storage/schema/run.ts';
import { hash } from '../evidence/index.ts';

/** Stands for its layer. */
export const decide = (run: Run) => hash(canonicalize(run) ?? '');

export const planted = violation;

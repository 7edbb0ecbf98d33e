import { createHash } from 'node:crypto';
import type { LimitDimension } from '../../storage/schema/snapshot.ts';
import type { LimitFacts } from './facts.ts';

const plain = /^[A-Za-z0-9._:@/-]+$/;
const longestPlain = 128;

/** The value that splits a limit by `dimension`, or null where the run has none. Models compare without regard to case. */
function readDimension(dimension: LimitDimension, run: SubjectFacts): string | null {
  switch (dimension) {
    case 'subTenant':
      return run.subTenant;
    case 'key':
      return run.keyId;
    case 'actor':
      return run.actor;
    case 'provider':
      return run.provider;
    case 'model':
      return run.model?.toLowerCase() ?? null;
    default: {
      const name = dimension.slice('tag:'.length);
      return Object.hasOwn(run.tags, name) ? (run.tags[name] ?? null) : null;
    }
  }
}

/** What splits limits, of a run under way or of a recorded one. */
export type SubjectFacts = Pick<LimitFacts, 'subTenant' | 'keyId' | 'actor' | 'model' | 'provider' | 'tags'>;

/**
 * The key of the counter that a run counts in, below the tenant's hash tag; null where the run lacks a dimension that the
 * limit is split by, so that the limit does not apply to it. Splitting by sub-tenant takes the run's own.
 */
export function subjectKey(limit: { id: string; by: readonly LimitDimension[] }, run: SubjectFacts): string | null {
  const values: string[] = [];
  for (const dimension of limit.by) {
    const value = readDimension(dimension, run);
    if (value === null) return null;
    values.push(value);
  }
  return nameCounter(limit.id, values);
}

/**
 * The key of the counter of one limit and subject, below the tenant's hash tag: `c:<limitId>:<subject>`.
 *
 * Two different lists of values never share a key: values that are short and hold only `A-Za-z0-9._:@/-` stand as they
 * are, joined by a comma (which no such value holds); anything else is `~` and 32 hex digits of the SHA-256 of their
 * JSON. A limit that is not split has the subject `*`.
 */
export function nameCounter(limitId: string, values: readonly string[]): string {
  return `c:${limitId}:${nameSubject(values)}`;
}

function nameSubject(values: readonly string[]): string {
  if (values.length === 0) return '*';
  const joined = values.join(',');
  if (joined.length <= longestPlain && values.every((value) => plain.test(value))) return joined;
  return `~${createHash('sha256').update(JSON.stringify(values)).digest('hex').slice(0, 32)}`;
}

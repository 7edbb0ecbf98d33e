import type { Finding } from '../../storage/schema/errors.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type { LimitEntry } from '../../storage/schema/snapshot.ts';
import { parseAmount } from './amount.ts';
import { parseWindow } from './window.ts';

const idForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const enforcedKinds: readonly string[] = ['requests', 'money'];
const dimensions: readonly string[] = ['subTenant', 'key', 'actor', 'model', 'provider'];
const matchFields: readonly string[] = ['sub_tenant', 'key', 'actor', 'provider', 'model', 'route', 'tag'];
const tagName = /^[^\s=,]{1,128}$/;

/** One field of a limit and what is wrong with it. */
type Mistake = readonly [field: string, message: string];

/**
 * Names every mistake in a list of limits, with its place; an empty list means that `compileLimits` accepts it.
 *
 * `where` gives the place of a limit, by default `limits[<index>]`; the field follows after a dot. Never throws.
 */
export function checkLimits(
  limits: readonly LimitEntry[],
  where: (index: number) => string = (index) => `limits[${index}]`,
): Finding[] {
  const firstOf = new Map<string, number>();
  return limits.flatMap((limit, index) => {
    const mistakes = checkLimit(limit);
    const first = firstOf.get(limit.id);
    if (first === undefined) firstOf.set(limit.id, index);
    else mistakes.unshift(['id', `"${limit.id}" is the id of ${where(first)} already: expected each id once`]);
    return mistakes.map(([field, message]) => ({ file: null, line: null, field: `${where(index)}.${field}`, message }));
  });
}

function checkLimit(limit: LimitEntry): Mistake[] {
  const mistakes: Mistake[] = [];
  if (typeof limit.id !== 'string' || !idForm.test(limit.id)) {
    mistakes.push(['id', 'expected 1 to 64 letters, digits, dots, dashes or underscores, a letter or digit first']);
  }
  if (!enforcedKinds.includes(limit.kind)) {
    mistakes.push(['kind', `"${limit.kind}" is not enforced by this version: expected requests or money`]);
  }
  const ceiling = parseAmount(limit.ceiling);
  if (ceiling === null || ceiling === 0n) {
    const unit = limit.kind === 'money' ? ' (of nano-USD: $9,000,000)' : '';
    mistakes.push(['ceiling', `"${limit.ceiling}" is no ceiling: expected a whole number from 1 to 9e15${unit}`]);
  }
  mistakes.push(...checkWindow(limit), ...checkBy(limit), ...checkMatch(limit));
  if (!Number.isInteger(limit.near) || limit.near < 1 || limit.near > 100) {
    mistakes.push(['near', 'expected a whole percent from 1 to 100']);
  }
  mistakes.push(...checkStated(limit, 'unbounded'), ...checkStated(limit, 'unpriced'));
  if (limit.when_redis_is_down !== 'refuse' && limit.when_redis_is_down !== 'allow') {
    mistakes.push(['when_redis_is_down', `"${limit.when_redis_is_down}": expected refuse or allow`]);
  }
  return mistakes;
}

function checkWindow(limit: LimitEntry): Mistake[] {
  if (limit.align !== 'calendar' && limit.align !== 'rolling') {
    return [['align', `"${limit.align}": expected calendar or rolling`]];
  }
  try {
    parseWindow(String(limit.window), limit.align);
    return [];
  } catch (error) {
    if (error instanceof HocError) return [['window', error.publicMessage]];
    throw error;
  }
}

function checkBy(limit: LimitEntry): Mistake[] {
  if (!Array.isArray(limit.by)) return [['by', 'expected a list of dimensions']];
  return limit.by.flatMap((dimension, index): Mistake[] => {
    if (limit.by.indexOf(dimension) < index) return [[`by[${index}]`, `"${dimension}" stands twice: expected once`]];
    const known = dimensions.includes(dimension);
    const isTag = typeof dimension === 'string' && dimension.startsWith('tag:') && tagName.test(dimension.slice(4));
    if (known || isTag) return [];
    return [[`by[${index}]`, `"${dimension}": expected subTenant, key, actor, model, provider or tag:<name>`]];
  });
}

function checkMatch(limit: LimitEntry): Mistake[] {
  return Object.entries(limit.match ?? {}).flatMap(([field, value]): Mistake[] => {
    if (!matchFields.includes(field)) return [[`match.${field}`, `is not known: expected ${matchFields.join(', ')}`]];
    if (typeof value !== 'string' || value === '') return [[`match.${field}`, 'expected a text that is not empty']];
    if (field === 'tag' && !tagName.test(value.split('=', 1)[0] ?? '')) {
      return [['match.tag', `"${value}": expected name=value or name`]];
    }
    return [];
  });
}

function checkStated(limit: LimitEntry, field: 'unbounded' | 'unpriced'): Mistake[] {
  const mode = limit[field];
  if (mode === 'refuse') return [];
  const stated = typeof mode === 'object' && mode !== null ? parseAmount(mode.ceiling_nano_usd) : null;
  if (stated !== null && stated > 0n) return [];
  return [[field, 'expected refuse, or a ceiling from $0.000000001 to $9,000,000']];
}

import type { Finding } from '../../storage/schema/errors.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type { LimitEntry } from '../../storage/schema/snapshot.ts';
import { parseAmount } from './amount.ts';
import { checkCeiling, checkOverrides } from './check-overrides.ts';
import { checkId, type Mistake } from './mistake.ts';
import { countsTokens, hasWindow, listUnits, statesUnit } from './unit.ts';
import { parseWindow } from './window.ts';

const dimensions: readonly string[] = ['subTenant', 'key', 'actor', 'model', 'provider'];
const matchFields: readonly string[] = ['sub_tenant', 'key', 'actor', 'provider', 'model', 'route', 'tag'];
/** Fields of `match` that people expect to take a pattern elsewhere. */
const patternFields: readonly string[] = ['model', 'route'];
const tagName = /^[^\s=,]{1,128}$/;

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
  const mistakes = checkId(limit.id, 'id');
  if (listUnits(limit.kind).length === 0) {
    mistakes.push(['kind', `"${limit.kind}": expected requests, tokens, concurrency, money or cap`]);
  }
  mistakes.push(...checkUnit(limit), ...checkCeiling(limit, limit.ceiling, 'ceiling'));
  mistakes.push(...checkWindow(limit), ...checkBy(limit), ...checkMatch(limit));
  if (!Number.isInteger(limit.near) || limit.near < 1 || limit.near > 100) {
    mistakes.push(['near', 'expected a whole percent from 1 to 100']);
  }
  mistakes.push(...checkUnbounded(limit), ...checkUnpriced(limit), ...checkRedisDown(limit), ...checkOverrides(limit));
  return mistakes;
}

function checkUnit(limit: LimitEntry): Mistake[] {
  const units = listUnits(limit.kind);
  if (limit.unit === undefined && !statesUnit(limit.kind)) return [];
  if (limit.unit !== undefined && (units.length === 0 || units.includes(limit.unit))) return [];
  const expected = statesUnit(limit.kind) ? units.join(', ') : 'nothing';
  return [['unit', `"${limit.unit}": expected ${expected} for kind ${limit.kind}`]];
}

function checkWindow(limit: LimitEntry): Mistake[] {
  if (limit.align !== 'calendar' && limit.align !== 'rolling') {
    return [['align', `"${limit.align}": expected calendar or rolling`]];
  }
  if (!hasWindow(limit.kind)) {
    if (limit.window === '') return [];
    return [['window', `kind ${limit.kind} counts over no window: expected none`]];
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
    if (patternFields.includes(field) && value.includes('*')) {
      return [
        [`match.${field}`, `"${value}" would match nothing: expected the exact ${field}, patterns are not known here`],
      ];
    }
    return [];
  });
}

function checkUnbounded(limit: LimitEntry): Mistake[] {
  const { unbounded } = limit;
  if (unbounded === 'refuse') return [];
  const isObject = typeof unbounded === 'object' && unbounded !== null;
  const [unit] = limit.unit === undefined ? listUnits(limit.kind) : [limit.unit];
  if (unit !== undefined && countsTokens(unit)) {
    if (isObject && 'ceiling_tokens' in unbounded && isStated(unbounded.ceiling_tokens)) return [];
    return [['unbounded', 'expected refuse, or a ceiling from 1 to 9e15 tokens']];
  }
  if (isObject && 'ceiling_nano_usd' in unbounded && isStated(unbounded.ceiling_nano_usd)) return [];
  return [['unbounded', 'expected refuse, or a ceiling from $0.000000001 to $9,000,000']];
}

function checkUnpriced({ unpriced }: LimitEntry): Mistake[] {
  if (unpriced === 'refuse') return [];
  if (typeof unpriced === 'object' && unpriced !== null && isStated(unpriced.ceiling_nano_usd)) return [];
  return [['unpriced', 'expected refuse, or a ceiling from $0.000000001 to $9,000,000']];
}

function isStated(text: unknown): boolean {
  const stated = parseAmount(text);
  return stated !== null && stated > 0n;
}

function checkRedisDown({ kind, when_redis_is_down: mode }: LimitEntry): Mistake[] {
  if (mode === 'refuse' || mode === 'allow') return [];
  if (mode !== 'local') return [['when_redis_is_down', `"${mode}": expected refuse, allow or local`]];
  if (kind === 'requests') return [];
  const message = `"local" holds for kind requests only: a share of ${kind} cannot be counted on one proxy; expected refuse or allow`;
  return [['when_redis_is_down', message]];
}

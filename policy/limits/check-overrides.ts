import type { LimitEntry, LimitOverride } from '../../storage/schema/snapshot.ts';
import { parseAmount } from './amount.ts';
import { checkId, type Mistake } from './mistake.ts';

/** 168 hours: what outlives a week is a change of the limit. */
const longestOverrideMs = 168 * 3_600_000;
/** A week, which every timer can hold. */
const longestDurationMs = 604_800_000n;
const longestReason = 500;

/** Names what is wrong with a ceiling of this limit, its own or an override's, at `field`. */
export function checkCeiling(limit: LimitEntry, text: unknown, field: string): Mistake[] {
  const isMoney = limit.kind === 'money' || limit.unit === 'nano_usd';
  const isDuration = limit.unit === 'milliseconds';
  const ceiling = parseAmount(text);
  if (ceiling !== null && ceiling > 0n && !(isDuration && ceiling > longestDurationMs)) return [];
  if (isMoney) return [[field, 'expected an amount from $0.000000001 to $9,000,000']];
  const most = isDuration ? `${longestDurationMs} ms (a week)` : '9e15';
  return [[field, `"${text}" is no ceiling: expected a whole number from 1 to ${most}`]];
}

/**
 * Names what is wrong with a limit's overrides: their fields, a stretch of more than 168 hours or none at all, an id that
 * stands twice, and two that are in force at one time.
 */
export function checkOverrides(limit: LimitEntry): Mistake[] {
  const { overrides } = limit;
  if (overrides === undefined) return [];
  if (!Array.isArray(overrides)) return [['overrides', 'expected a list']];
  const mistakes = overrides.flatMap((override: LimitOverride, index) => {
    const place = `overrides[${index}]`;
    const isSecond = overrides.findIndex((other) => other.id === override.id) < index;
    const twice: Mistake[] = isSecond ? [[`${place}.id`, `"${override.id}" stands twice: expected each id once`]] : [];
    return [...twice, ...checkOverride(limit, override, place)];
  });
  return mistakes.length > 0 ? mistakes : findOverlaps(overrides);
}

function checkOverride(limit: LimitEntry, override: LimitOverride, place: string): Mistake[] {
  const { id, from_ms: fromMs, until_ms: untilMs, reason } = override;
  const mistakes = [...checkId(id, `${place}.id`), ...checkCeiling(limit, override.ceiling, `${place}.ceiling`)];
  if (!Number.isSafeInteger(fromMs) || fromMs < 0) mistakes.push([`${place}.from_ms`, 'expected an instant']);
  if (!Number.isSafeInteger(untilMs) || untilMs < 0) mistakes.push([`${place}.until_ms`, 'expected an instant']);
  else if (untilMs <= fromMs)
    mistakes.push([`${place}.until_ms`, 'ends before it begins: expected an instant after its beginning']);
  else if (untilMs - fromMs > longestOverrideMs) {
    mistakes.push([`${place}.until_ms`, 'lasts more than 168 hours: expected at most 168 hours after its beginning']);
  }
  if (typeof reason !== 'string' || reason.trim() === '' || reason.length > longestReason) {
    mistakes.push([`${place}.reason`, `expected a reason of 1 to ${longestReason} characters`]);
  }
  return mistakes;
}

function findOverlaps(overrides: readonly LimitOverride[]): Mistake[] {
  return overrides.flatMap((later, index): Mistake[] => {
    const other = overrides.find(
      (one, at) => at < index && one.from_ms < later.until_ms && later.from_ms < one.until_ms,
    );
    if (other === undefined) return [];
    return [[`overrides[${index}]`, `is in force together with override "${other.id}": expected one at a time`]];
  });
}

import { HocError } from '../../storage/schema/errors.ts';
import type { CounterWindow } from '../../storage/schema/reservation.ts';
import type {
  LimitDimension,
  LimitEntry,
  LimitKind,
  LimitUnit,
  RedisDownMode,
  Scope,
} from '../../storage/schema/snapshot.ts';
import { checkLimits } from './check.ts';
import { hasWindow, unitOf } from './unit.ts';
import { parseWindow } from './window.ts';

/** Another ceiling from `fromMs` up to, not including, `untilMs`. */
export interface CompiledOverride {
  id: string;
  ceiling: bigint;
  fromMs: number;
  untilMs: number;
}

/** A limit ready to be applied to many runs. Amounts are in its unit. */
export interface CompiledLimit {
  id: string;
  kind: LimitKind;
  unit: LimitUnit;
  ceiling: bigint;
  /** The smallest amount that counts as near. */
  near: bigint;
  nearPercent: bigint;
  /** `none` for concurrency and caps. */
  window: CounterWindow;
  /** The window as it was written, for sentences. */
  windowText: string;
  by: readonly LimitDimension[];
  match: Scope;
  /** What a run takes whose facts do not bound it, in the limit's unit; null refuses it. */
  unbounded: bigint | null;
  /** What a run takes whose price is not known, in nano-USD; null refuses it. */
  unpriced: bigint | null;
  redisDown: RedisDownMode;
  /** Sorted by id. */
  overrides: readonly CompiledOverride[];
  /** The override whose ceiling this is; null for the limit's own. */
  overrideId: string | null;
}

/**
 * Compiles limits, sorted by id (UTF-8 bytes): the order in which they are reserved and in which the first that does not
 * fit is named. Throws `configuration_invalid` with all findings where `checkLimits` has any.
 */
export function compileLimits(limits: readonly LimitEntry[]): CompiledLimit[] {
  const findings = checkLimits(limits);
  if (findings.length > 0) {
    throw new HocError({ code: 'configuration_invalid', publicMessage: 'The limits have mistakes.', findings });
  }
  return limits.map(compileLimit).sort((a, b) => Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)));
}

function compileLimit(limit: LimitEntry): CompiledLimit {
  const nearPercent = BigInt(limit.near);
  const ceiling = BigInt(limit.ceiling);
  return {
    id: limit.id,
    kind: limit.kind,
    unit: unitOf(limit),
    ceiling,
    near: computeNear(ceiling, nearPercent),
    nearPercent,
    window: windowOf(limit) ?? { align: 'none' },
    windowText: limit.window,
    by: limit.by,
    match: limit.match,
    unbounded: readStated(limit.unbounded),
    unpriced: readStated(limit.unpriced),
    redisDown: limit.when_redis_is_down,
    overrides: (limit.overrides ?? []).map((one) => ({
      id: one.id,
      ceiling: BigInt(one.ceiling),
      fromMs: one.from_ms,
      untilMs: one.until_ms,
    })),
    overrideId: null,
  };
}

/**
 * The window in which a limit's counters count: `none` for concurrency, null for a cap, which has no counter at all.
 *
 * Throws `configuration_invalid` on a window that `checkLimits` refuses.
 */
export function windowOf(limit: Pick<LimitEntry, 'kind' | 'window' | 'align'>): CounterWindow | null {
  if (limit.kind === 'cap') return null;
  return hasWindow(limit.kind) ? parseWindow(limit.window, limit.align) : { align: 'none' };
}

function readStated(stated: LimitEntry['unbounded']): bigint | null {
  if (stated === 'refuse') return null;
  return BigInt('ceiling_tokens' in stated ? stated.ceiling_tokens : stated.ceiling_nano_usd);
}

/**
 * The limit as it stands at an instant: itself, or with the ceiling of the override in force. Of several in force (a
 * save refuses that) the one that began last counts.
 */
export function findInForce(limit: CompiledLimit, nowMs: number): CompiledLimit {
  if (limit.overrides.length === 0) return limit;
  let newest: CompiledOverride | null = null;
  for (const one of limit.overrides) {
    if (one.fromMs <= nowMs && nowMs < one.untilMs && (newest === null || one.fromMs >= newest.fromMs)) newest = one;
  }
  if (newest === null) return limit;
  const near = computeNear(newest.ceiling, limit.nearPercent);
  return { ...limit, ceiling: newest.ceiling, near, overrideId: newest.id };
}

function computeNear(ceiling: bigint, percent: bigint): bigint {
  return (ceiling * percent + 99n) / 100n;
}

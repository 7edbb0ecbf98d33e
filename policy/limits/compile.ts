import { HocError } from '../../storage/schema/errors.ts';
import type { CounterWindow } from '../../storage/schema/reservation.ts';
import type { LimitDimension, LimitEntry, LimitKind, RedisDownMode, Scope } from '../../storage/schema/snapshot.ts';
import { checkLimits } from './check.ts';
import { parseWindow } from './window.ts';

/** A limit ready to be applied to many runs. Amounts are nano-USD, requests or tokens by kind. */
export interface CompiledLimit {
  id: string;
  kind: LimitKind;
  ceiling: bigint;
  window: CounterWindow;
  /** The window as it was written, for sentences. */
  windowText: string;
  by: readonly LimitDimension[];
  match: Scope;
  nearPercent: bigint;
  /** What a run is charged whose facts do not bound its cost, in nano-USD; null refuses it. */
  unboundedNanoUsd: bigint | null;
  /** What a run is charged whose price is not known, in nano-USD; null refuses it. */
  unpricedNanoUsd: bigint | null;
  redisDown: RedisDownMode;
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
  return {
    id: limit.id,
    kind: limit.kind,
    ceiling: BigInt(limit.ceiling),
    window: parseWindow(limit.window, limit.align),
    windowText: limit.window,
    by: limit.by,
    match: limit.match,
    nearPercent: BigInt(limit.near),
    unboundedNanoUsd: limit.unbounded === 'refuse' ? null : BigInt(limit.unbounded.ceiling_nano_usd),
    unpricedNanoUsd: limit.unpriced === 'refuse' ? null : BigInt(limit.unpriced.ceiling_nano_usd),
    redisDown: limit.when_redis_is_down,
  };
}

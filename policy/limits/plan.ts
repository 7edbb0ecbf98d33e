import type { SettleItem } from '../../storage/schema/record.ts';
import type { ReservationItem } from '../../storage/schema/reservation.ts';
import type { RedisDownMode } from '../../storage/schema/snapshot.ts';
import { capAmount, maxAmount } from './amount.ts';
import type { CompiledLimit } from './compile.ts';
import type { LimitFacts, RunAmounts } from './facts.ts';
import { matchesScope } from './match.ts';
import { explainUnreservable } from './refusal.ts';
import { nameCounter, readDimension } from './subject.ts';

/** What one run reserves. `items` and `limits` have the same order: by limit id. */
export interface ReservationPlan {
  items: readonly ReservationItem[];
  limits: readonly CompiledLimit[];
  /** Ids of limits that do not apply because the run lacks a dimension they are split by. */
  skipped: readonly string[];
  /** The first limit that this run can never be reserved against, with its sentence; nothing is to be reserved then. */
  refusal: null | { limitId: string; reason: string };
  /** The largest amount reserved against a money limit, in nano-USD; null where no money limit applies. */
  moneyReservedNanoUsd: bigint | null;
  /** `refuse` where any limit that applies says so. */
  redisDown: RedisDownMode;
}

/**
 * Plans the reservation of a run against all limits that apply to it, in the order of their ids.
 *
 * A limit applies where its `match` covers the run and the run has every dimension it is split by. A money limit takes
 * the worst case; where facts or prices do not bound it, the ceiling stated for that case (or the known part, if that is
 * more), else the run is refused. Never throws.
 */
export function planReservation(
  limits: readonly CompiledLimit[],
  run: LimitFacts,
  amounts: RunAmounts,
): ReservationPlan {
  const items: ReservationItem[] = [];
  const applied: CompiledLimit[] = [];
  const skipped: string[] = [];
  let refusal: ReservationPlan['refusal'] = null;
  for (const limit of limits) {
    if (!matchesScope(limit.match, run)) continue;
    const values = limit.by.map((dimension) => readDimension(dimension, run));
    if (!values.every((value) => value !== null)) {
      skipped.push(limit.id);
      continue;
    }
    const amount = computeAmount(limit, amounts);
    if (amount === null || amount > maxAmount) {
      refusal ??= { limitId: limit.id, reason: explainUnreservable(limit, run.model, amounts) };
      continue;
    }
    const key = nameCounter(limit.id, values);
    items.push({ limitId: limit.id, key, amount, ceiling: limit.ceiling, window: limit.window });
    applied.push(limit);
  }
  const money = items.filter((_, index) => applied[index]?.kind === 'money').map((item) => item.amount);
  return {
    items,
    limits: applied,
    skipped,
    refusal,
    moneyReservedNanoUsd: money.reduce<bigint | null>((most, one) => (most === null || one > most ? one : most), null),
    redisDown: applied.some((limit) => limit.redisDown === 'refuse') ? 'refuse' : 'allow',
  };
}

/** What the run takes of a limit, or null where it cannot be told and the limit refuses that. */
function computeAmount(limit: CompiledLimit, amounts: RunAmounts): bigint | null {
  if (limit.kind !== 'money') return 1n;
  const { worstCaseNanoUsd: worstCase, unboundedReason } = amounts;
  if (worstCase !== null && unboundedReason === null) return worstCase;
  const stated = unboundedReason === 'unpriced' ? limit.unpricedNanoUsd : limit.unboundedNanoUsd;
  if (stated === null) return null;
  return worstCase !== null && worstCase > stated ? worstCase : stated;
}

/**
 * What a run that went to the provider settles, by counter: 1 for a request, the cost for money, or the reserved amount
 * where the cost is not known. A run that was refused after it was reserved settles an empty list, which is nothing.
 *
 * `costNanoUsd` is nano-USD; amounts above 9e15 settle as 9e15, which is over every ceiling.
 */
export function settleAmounts(plan: ReservationPlan, outcome: { costNanoUsd: bigint | null }): SettleItem[] {
  return plan.items.map((item, index) => {
    const isMoney = plan.limits[index]?.kind === 'money';
    const amount = isMoney && outcome.costNanoUsd !== null ? outcome.costNanoUsd : item.amount;
    return { key: item.key, amount: capAmount(amount).toString() };
  });
}

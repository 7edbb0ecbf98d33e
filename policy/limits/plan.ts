import type { ReservationItem } from '../../storage/schema/reservation.ts';
import type { RedisDownMode } from '../../storage/schema/snapshot.ts';
import { capAmount, maxAmount } from './amount.ts';
import { type CompiledLimit, findInForce } from './compile.ts';
import type { LimitFacts, RunAmounts } from './facts.ts';
import { matchesScope } from './match.ts';
import { explainCapRefusal, explainUnreservable } from './refusal.ts';
import { subjectKey } from './subject.ts';
import { computeAmount, estimateForCap } from './take.ts';

/** What one run reserves. `items` and `limits` have the same order: by limit id. */
export interface ReservationPlan {
  items: readonly ReservationItem[];
  /** With the ceilings in force when it was planned: an override that begins or ends later does not change this run. */
  limits: readonly CompiledLimit[];
  /** The caps of the run itself, by id; they are kept in no counter. */
  caps: readonly CompiledLimit[];
  /** Ids of limits that do not apply because the run lacks a dimension they are split by. */
  skipped: readonly string[];
  /** The first limit that this run can never be held under, with its sentence; nothing is to be reserved then. */
  refusal: null | { limitId: string; reason: string };
  /** The largest amount reserved against a money limit, in nano-USD; null where no money limit applies. */
  moneyReservedNanoUsd: bigint | null;
  /** Over all limits with a counter: `refuse` where any says so, else `local` where any does. */
  redisDown: RedisDownMode;
}

/**
 * Plans the reservation of a run against all limits that apply to it, in the order of their ids.
 *
 * A limit applies where its `match` covers the run and the run has every dimension it is split by. Requests and
 * concurrency take 1; tokens and money take what the run is bound by. Where facts or prices do not bound it, they take
 * the ceiling stated for that case (or the known part, if that is more), else the run is refused; a cap refuses it where
 * its estimate is above the cap already. `nowMs` (Unix ms) chooses the overrides in force. Never throws.
 */
export function planReservation(
  limits: readonly CompiledLimit[],
  { run, amounts, nowMs }: { run: LimitFacts; amounts: RunAmounts; nowMs: number },
): ReservationPlan {
  const items: ReservationItem[] = [];
  const applied: CompiledLimit[] = [];
  const caps: CompiledLimit[] = [];
  const skipped: string[] = [];
  let refusal: ReservationPlan['refusal'] = null;
  for (const standing of limits) {
    if (!matchesScope(standing.match, run)) continue;
    const key = subjectKey(standing, run);
    if (key === null) {
      skipped.push(standing.id);
      continue;
    }
    const limit = findInForce(standing, nowMs);
    if (limit.kind === 'cap') {
      caps.push(limit);
      const reason = findCapRefusal(limit, run.model, amounts);
      if (reason !== null) refusal ??= { limitId: limit.id, reason };
      continue;
    }
    const amount = computeAmount(limit, amounts);
    if (amount === null || amount > maxAmount) {
      refusal ??= { limitId: limit.id, reason: explainUnreservable(limit, run.model, { amounts, amount }) };
      continue;
    }
    const { id: limitId, ceiling, near, window } = limit;
    items.push({ limitId, key, amount, ceiling, near, window });
    applied.push(limit);
  }
  const moneyReservedNanoUsd = computeMoneyReserved({ limits: applied }, items);
  return { items, limits: applied, caps, skipped, refusal, moneyReservedNanoUsd, redisDown: joinModes(applied) };
}

function findCapRefusal(cap: CompiledLimit, model: string | null, amounts: RunAmounts): string | null {
  const amount = estimateForCap(cap, amounts);
  if (amount === null) return explainUnreservable(cap, model, { amounts, amount });
  return amount > cap.ceiling ? explainCapRefusal(cap, amount) : null;
}

function joinModes(limits: readonly CompiledLimit[]): RedisDownMode {
  if (limits.some((limit) => limit.redisDown === 'refuse')) return 'refuse';
  return limits.some((limit) => limit.redisDown === 'local') ? 'local' : 'allow';
}

/** The largest amount of `items` that a money limit of the plan takes, in nano-USD; null where it has no money limit. */
export function computeMoneyReserved(
  plan: Pick<ReservationPlan, 'limits'>,
  items: readonly ReservationItem[],
): bigint | null {
  const money = items.filter((_, index) => plan.limits[index]?.kind === 'money');
  return money.reduce<bigint | null>((most, { amount }) => (most === null || amount > most ? amount : most), null);
}

/**
 * The plan's items, each raised to what the run takes by now and never lowered: reserving them tops the run up.
 *
 * Keys, order, ceilings and windows stay. What cannot be told stays as it was; amounts stop at 9e15. Never throws.
 */
export function raiseItems(plan: Pick<ReservationPlan, 'items' | 'limits'>, amounts: RunAmounts): ReservationItem[] {
  return plan.items.map((item, index) => {
    const limit = plan.limits[index];
    const amount = limit === undefined ? null : computeAmount(limit, amounts);
    return amount === null || amount <= item.amount ? item : { ...item, amount: capAmount(amount) };
  });
}

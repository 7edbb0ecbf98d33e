import type { SettleItem } from '../../storage/schema/record.ts';
import type { Reading, ReservationItem } from '../../storage/schema/reservation.ts';
import type { LimitCharge, Usage } from '../../storage/schema/run.ts';
import { capAmount } from './amount.ts';
import type { CompiledLimit } from './compile.ts';
import type { ReservationPlan } from './plan.ts';
import { sumTokens } from './unit.ts';

/** What a run came to: nano-USD and tokens as the provider told them, else their bounds; null where neither is known. */
export interface SettledOutcome {
  costNanoUsd: bigint | null;
  usage: Usage | null;
}

/**
 * What a run that went to the provider settles, by counter: 1 for a request, nothing for concurrency, the tokens or the
 * cost; or what was reserved where that is not known (or the known part of the tokens, if that is more).
 *
 * `reserved` are the items as they were reserved in the end. A run that was refused after it was reserved settles an
 * empty list instead, which is nothing. Amounts above 9e15 settle as 9e15, which is over every ceiling. Never throws.
 */
export function settleAmounts(
  plan: Pick<ReservationPlan, 'items' | 'limits'>,
  outcome: SettledOutcome,
  reserved: readonly ReservationItem[],
): SettleItem[] {
  return plan.items.map((item, index) => {
    const limit = plan.limits[index];
    const held = findItem(reserved, item, index).amount;
    const amount = limit === undefined ? held : settleOne(limit, outcome, held);
    return { key: item.key, amount: capAmount(amount).toString() };
  });
}

function settleOne(limit: CompiledLimit, { costNanoUsd, usage }: SettledOutcome, held: bigint): bigint {
  if (limit.kind === 'concurrency') return 0n;
  if (limit.kind === 'money') return costNanoUsd === null ? held : costNanoUsd < 0n ? 0n : costNanoUsd;
  if (limit.kind !== 'tokens') return held;
  const input = readCount(usage?.input_tokens ?? null);
  const { known, complete } = sumTokens(limit.unit, { input, output: readCount(usage?.output_tokens ?? null) });
  return complete || known > held ? known : held;
}

/** A reported count as an integer: fractions up, negative 0; null for none and for what is no number. */
function readCount(tokens: number | null): bigint | null {
  if (tokens === null || Number.isNaN(tokens)) return null;
  return BigInt(Math.min(Math.max(0, Math.ceil(tokens)), Number.MAX_SAFE_INTEGER));
}

function findItem(reserved: readonly ReservationItem[], item: ReservationItem, index: number): ReservationItem {
  const same = reserved[index];
  if (same?.key === item.key) return same;
  return reserved.find((one) => one.key === item.key) ?? item;
}

/**
 * What the run took of each limit, for its record, in the plan's order. `settled` null: it is still open, and every
 * limit's `settled` is what is reserved; a counter that `settled` does not list came to nothing. `readings` are those of
 * the reservation in the plan's order, with `near` also from a top-up; empty where nobody was asked. Never throws.
 */
export function chargesOf(
  plan: Pick<ReservationPlan, 'items' | 'limits'>,
  reserved: readonly ReservationItem[],
  { settled, readings }: { settled: readonly SettleItem[] | null; readings: readonly Reading[] },
): LimitCharge[] {
  const settledBy = settled === null ? null : new Map(settled.map((item) => [item.key, item.amount]));
  return plan.items.map((item, index) => {
    const held = findItem(reserved, item, index).amount.toString();
    const reading = readings[index];
    return {
      id: item.limitId,
      reserved: held,
      settled: settledBy === null ? held : (settledBy.get(item.key) ?? '0'),
      taken: reading === undefined ? null : (reading.used + reading.reserved).toString(),
      ceiling: item.ceiling.toString(),
      near: reading?.near ?? false,
    };
  });
}

/** The charge of the limit that refused a run: nothing was reserved. `reading` is null where no counter was asked. */
export function chargeOfRefusal(limit: Pick<CompiledLimit, 'id' | 'ceiling'>, reading: Reading | null): LimitCharge {
  return {
    id: limit.id,
    reserved: '0',
    settled: '0',
    taken: reading === null ? null : (reading.used + reading.reserved).toString(),
    ceiling: limit.ceiling.toString(),
    near: false,
  };
}

import { chargesOf, findPosition, type SettledOutcome, settleAmounts } from '../../policy/limits/index.ts';
import type { SettleItem } from '../../storage/schema/record.ts';
import type { ReservationItem } from '../../storage/schema/reservation.ts';
import { type LimitCharge, noUsage } from '../../storage/schema/run.ts';
import type { PriceQuote, Reserved, Run } from './run.ts';

/** What a run takes of its limits: the amounts by counter, and the same by limit for its record. */
export interface Charged {
  settle: readonly SettleItem[];
  charges: readonly LimitCharge[];
}

const nothing: Charged = { settle: [], charges: [] };

/**
 * What the run is charged if its proxy dies: the most it can come to, and never less than what is reserved for it.
 *
 * Without a price or a bound it is what is reserved.
 */
export function chargeWorstCase(run: Run, reserved: Reserved): Charged {
  if (reserved.items.length === 0) return nothing;
  const { quote } = run;
  const usage = { ...noUsage, input_tokens: quote?.inputTokens ?? null, output_tokens: quote?.outputTokens ?? null };
  const amounts = settleAmounts(reserved.plan, { costNanoUsd: quote?.worstCaseNanoUsd ?? null, usage }, reserved.items);
  const settle = amounts.map((item, index) => atLeastReserved(reserved, item, index));
  return { settle, charges: listCharges(run, reserved, settle) };
}

function atLeastReserved(reserved: Reserved, item: SettleItem, index: number): SettleItem {
  const held = reserved.items[index]?.amount ?? 0n;
  if (reserved.plan.limits[index]?.kind === 'concurrency' || BigInt(item.amount) >= held) return item;
  return { ...item, amount: held.toString() };
}

/** What a run that went to the provider is charged in the end. */
export function chargeOutcome(run: Run, reserved: Reserved, outcome: SettledOutcome): Charged {
  if (reserved.items.length === 0) return nothing;
  const settle = settleAmounts(reserved.plan, outcome, reserved.items);
  return { settle, charges: listCharges(run, reserved, settle) };
}

/**
 * What a run that was refused before the wire shows of limits: the one that refused it, at nothing. Where the counters hold
 * it, or may (`isHeld`), it is settled at nothing too, by the shipper where its proxy dies before it has done so.
 */
export function chargeRefused(reserved: Reserved | null, isHeld = false): Charged {
  if (reserved === null) return nothing;
  const settle = isHeld ? reserved.items.map(({ key }) => ({ key, amount: '0' })) : [];
  return { settle, charges: reserved.refusedBy === null ? [] : [reserved.refusedBy] };
}

function listCharges(run: Run, reserved: Reserved, settle: readonly SettleItem[]): LimitCharge[] {
  const charges = chargesOf(reserved.plan, reserved.held ? reserved.items : heldElsewhere(reserved), {
    settled: settle,
    readings: reserved.readings,
  });
  const ownMs = reservedAtMs(run);
  return charges.map((charge, index) => {
    const sinceMs = reserved.sinceMs[index] ?? run.uncounted?.atMs ?? ownMs;
    const window = reserved.items[index]?.window;
    if (window === undefined || findPosition(window, sinceMs) === findPosition(window, ownMs)) return charge;
    return { ...charge, since_ms: sinceMs };
  });
}

/** The instant at which the run's record says that it was reserved, Unix ms by the clock of this proxy. */
function reservedAtMs({ startedAtMs, events }: Run): number {
  const reserved = events.find(({ stage }) => stage === 'reserve');
  return startedAtMs + Math.floor((reserved?.at_us ?? 0) / 1000);
}

/** Without counters nothing was reserved, but what this proxy admitted on its share. */
function heldElsewhere({ plan, items }: Reserved): ReservationItem[] {
  return items.map((item, index) => (plan.limits[index]?.redisDown === 'local' ? item : { ...item, amount: 0n }));
}

/**
 * The most the run can cost, in nano-USD, for its record: where facts do not bound it, what is known or what is reserved,
 * whichever is more. Null without a price.
 */
export function worstCaseOf(quote: PriceQuote | null, moneyReservedNanoUsd: bigint | null): bigint | null {
  const known = quote?.worstCaseNanoUsd ?? null;
  if (known === null || quote?.unboundedReason === null) return known;
  return moneyReservedNanoUsd !== null && moneyReservedNanoUsd > known ? moneyReservedNanoUsd : known;
}

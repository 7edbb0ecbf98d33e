import { chargesOf, type SettledOutcome, settleAmounts } from '../../policy/limits/index.ts';
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
  return { settle, charges: listCharges(reserved, settle) };
}

/**
 * Whether a run's worst case is known before it starts. A stream that nothing bounds is topped up without end, so that only
 * its reservation tells what it came to when its proxy dies: expiry charges that, and nobody may settle it before.
 */
export function isWorstCaseKnown(run: Run, { plan }: Reserved): boolean {
  if (run.quote === null || run.quote.outputTokens !== null) return true;
  return !plan.limits.some(({ kind, unit }) => kind === 'tokens' && unit !== 'input_tokens');
}

function atLeastReserved(reserved: Reserved, item: SettleItem, index: number): SettleItem {
  const held = reserved.items[index]?.amount ?? 0n;
  if (reserved.plan.limits[index]?.kind === 'concurrency' || BigInt(item.amount) >= held) return item;
  return { ...item, amount: held.toString() };
}

/** What a run that went to the provider is charged in the end. */
export function chargeOutcome(reserved: Reserved, outcome: SettledOutcome): Charged {
  if (reserved.items.length === 0) return nothing;
  const settle = settleAmounts(reserved.plan, outcome, reserved.items);
  return { settle, charges: listCharges(reserved, settle) };
}

/** What a run that was refused before the wire shows of limits: the one that refused it, at nothing. */
export function chargeRefused(reserved: Reserved | null): Charged {
  return reserved?.refusedBy == null ? nothing : { settle: [], charges: [reserved.refusedBy] };
}

function listCharges(reserved: Reserved, settle: readonly SettleItem[]): LimitCharge[] {
  return chargesOf(reserved.plan, reserved.held ? reserved.items : heldElsewhere(reserved), {
    settled: settle,
    readings: reserved.readings,
  });
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

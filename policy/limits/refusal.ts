import type { Reading } from '../../storage/schema/reservation.ts';
import type { LimitUnit } from '../../storage/schema/snapshot.ts';
import { maxAmount } from './amount.ts';
import type { CompiledLimit } from './compile.ts';
import type { RunAmounts } from './facts.ts';

const nanoPerUsd = 1_000_000_000n;
const longestModel = 80;
/** What is held by runs under way comes back when one of them ends, which no reading tells. */
const concurrencyRetryMs = 1000;

const unitNames: Readonly<Record<LimitUnit, string>> = {
  requests: 'requests',
  runs: 'concurrent runs',
  input_tokens: 'input tokens',
  output_tokens: 'output tokens',
  total_tokens: 'tokens',
  nano_usd: 'nano-USD',
  milliseconds: 'ms',
};

/**
 * Says why a run did not fit under a limit, in the words and with the very reading that the console shows, and how long
 * to wait before another try can pass.
 *
 * `amount` is what the run would have taken. `retryAfterMs` is the reading's time to the next thing given back (a second
 * for concurrency), and null where waiting cannot help because the amount alone is over the ceiling. Never throws.
 */
export function explainRefusal(
  limit: CompiledLimit,
  reading: Reading,
  amount: bigint,
): { reason: string; retryAfterMs: number | null } {
  const waitMs = limit.window.align === 'none' ? concurrencyRetryMs : Math.max(1, reading.resetsInMs);
  const retryAfterMs = amount > limit.ceiling ? null : waitMs;
  return {
    reason: `Blocked by limit ${limit.id}: ${explainReading(limit, reading, { amount, is: 'worst case' })}.`,
    retryAfterMs,
  };
}

/**
 * Says why a run under way was cut: a top-up by `more` did not fit. The run's own reservation is part of the reading.
 * Never throws.
 */
export function explainCut(limit: CompiledLimit, reading: Reading, more: bigint): string {
  return `Cut by limit ${limit.id}: ${explainReading(limit, reading, { amount: more, is: 'more for this run' })}.`;
}

function explainReading(
  limit: CompiledLimit,
  { used, reserved }: Reading,
  { amount, is }: { amount: bigint; is: string },
): string {
  const { kind, unit } = limit;
  if (kind === 'requests') return `${used + reserved} of ${sayCeiling(limit)} requests used ${describeWindow(limit)}`;
  if (kind === 'concurrency') return `${used + reserved} of ${sayCeiling(limit)} concurrent runs under way`;
  const counted = unit === 'nano_usd' ? '' : ` ${unitNames[unit]} ${describeWindow(limit)}`;
  const sum = `${say(limit, used)} used + ${say(limit, reserved)} reserved + ${say(limit, amount)} ${is}`;
  return `${sum} = ${say(limit, used + reserved + amount)}${counted}, ceiling ${sayCeiling(limit)}`;
}

/** An amount in the limit's unit: dollars exactly, anything else as digits. */
function say(limit: CompiledLimit, amount: bigint): string {
  return limit.unit === 'nano_usd' ? formatUsd(amount) : amount.toString();
}

function sayCeiling(limit: CompiledLimit): string {
  const override = limit.overrideId === null ? '' : ` (override ${limit.overrideId})`;
  return `${say(limit, limit.ceiling)}${override}`;
}

/** The window as part of a sentence: `in the last 1m`, `in this UTC day`, `in this UTC window of 15m`. */
function describeWindow(limit: CompiledLimit): string {
  if (limit.window.align === 'rolling') return `in the last ${limit.windowText}`;
  const names: Record<string, string> = { '1m': 'minute', '1h': 'hour', '1d': 'day', '1w': 'week', '1mo': 'month' };
  const name = names[limit.windowText];
  return name === undefined ? `in this UTC window of ${limit.windowText}` : `in this UTC ${name}`;
}

/** Says why a cap refuses a run before it starts: what is estimated for it is above the cap already. */
export function explainCapRefusal(cap: CompiledLimit, estimate: bigint): string {
  return `Blocked by limit ${cap.id}: ${sayMeasured(cap, estimate)} estimated for this run, ceiling ${sayCeiling(cap)} a run.`;
}

/** Says why a cap ends a run under way. `taken` is what it has taken, in the cap's unit. */
export function explainCapCut(cap: CompiledLimit, taken: bigint): string {
  return `Cut by limit ${cap.id}: ${sayMeasured(cap, taken)} so far, ceiling ${sayCeiling(cap)} a run.`;
}

function sayMeasured(cap: CompiledLimit, amount: bigint): string {
  return cap.unit === 'nano_usd' ? formatUsd(amount) : `${amount} ${unitNames[cap.unit]}`;
}

/**
 * Says why a run cannot be held under a limit at all: no price, no bound, or more than a counter holds.
 *
 * `amount` is what it would take, or null where that cannot be told.
 */
export function explainUnreservable(
  limit: CompiledLimit,
  model: string | null,
  { amounts, amount }: { amounts: RunAmounts; amount: bigint | null },
): string {
  const subject = model === null ? 'this model' : `model ${model.slice(0, longestModel)}`;
  const start = `Blocked by limit ${limit.id}`;
  if (amount !== null && amount > maxAmount) {
    return `${start}: ${sayMeasured(limit, amount)} worst case, ceiling ${sayCeiling(limit)}.`;
  }
  if (limit.unit === 'nano_usd' && amounts.unpriced) {
    return `${start}: no price is known for ${subject}, and the limit refuses runs without a price.`;
  }
  const what = limit.unit === 'nano_usd' ? 'what it can cost' : `its ${unitNames[limit.unit]}`;
  return `${start}: the request does not bound ${what}, and the limit refuses such runs.`;
}

/** Nano-USD as dollars, exactly: two decimals at least, up to nine, thousands separated (`$1,234.50`, `$0.000000001`). */
export function formatUsd(nanoUsd: bigint): string {
  const size = nanoUsd < 0n ? -nanoUsd : nanoUsd;
  const whole = (size / nanoPerUsd).toString().replace(/\B(?=(\d{3})+$)/g, ',');
  const fraction = (size % nanoPerUsd)
    .toString()
    .padStart(9, '0')
    .replace(/0{1,7}$/, '');
  return `${nanoUsd < 0n ? '-' : ''}$${whole}.${fraction}`;
}

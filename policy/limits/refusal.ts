import type { Reading } from '../../storage/schema/reservation.ts';
import { maxAmount } from './amount.ts';
import type { CompiledLimit } from './compile.ts';
import type { RunAmounts } from './facts.ts';

const nanoPerUsd = 1_000_000_000n;
const longestModel = 80;

/**
 * Says why a run did not fit under a limit, in the words and with the very reading that the console shows, and how long
 * to wait before another try can pass.
 *
 * `amount` is what the run would have taken. `retryAfterMs` is the reading's time to the next thing given back, and
 * null where waiting cannot help because the amount alone is over the ceiling. Never throws.
 */
export function explainRefusal(
  limit: CompiledLimit,
  reading: Reading,
  amount: bigint,
): { reason: string; retryAfterMs: number | null } {
  const says = limit.kind === 'money' ? explainMoney(limit, reading, amount) : explainCount(limit, reading);
  const retryAfterMs = amount > limit.ceiling ? null : Math.max(1, reading.resetsInMs);
  return { reason: `Blocked by limit ${limit.id}: ${says}.`, retryAfterMs };
}

function explainMoney(limit: CompiledLimit, { used, reserved }: Reading, amount: bigint): string {
  const total = used + reserved + amount;
  const sum = `${formatUsd(used)} used + ${formatUsd(reserved)} reserved + ${formatUsd(amount)} worst case`;
  return `${sum} = ${formatUsd(total)}, ceiling ${formatUsd(limit.ceiling)}`;
}

function explainCount(limit: CompiledLimit, { used, reserved }: Reading): string {
  return `${used + reserved} of ${limit.ceiling} ${limit.kind} used ${describeWindow(limit)}`;
}

/** The window as part of a sentence: `in the last 1m`, `in this UTC day`, `in this UTC window of 15m`. */
function describeWindow(limit: CompiledLimit): string {
  if (limit.window.align === 'rolling') return `in the last ${limit.windowText}`;
  const names: Record<string, string> = { '1m': 'minute', '1h': 'hour', '1d': 'day', '1w': 'week', '1mo': 'month' };
  const name = names[limit.windowText];
  return name === undefined ? `in this UTC window of ${limit.windowText}` : `in this UTC ${name}`;
}

/** Says why a run cannot be reserved against a money limit at all: no price, no bound, or more than a counter holds. */
export function explainUnreservable(limit: CompiledLimit, model: string | null, amounts: RunAmounts): string {
  const subject = model === null ? 'this model' : `model ${model.slice(0, longestModel)}`;
  const start = `Blocked by limit ${limit.id}`;
  const worstCase = amounts.worstCaseNanoUsd;
  if (worstCase !== null && worstCase > maxAmount) {
    return `${start}: ${formatUsd(worstCase)} worst case, ceiling ${formatUsd(limit.ceiling)}.`;
  }
  if (amounts.unboundedReason === 'unpriced') {
    return `${start}: no price is known for ${subject}, and the limit refuses runs without a price.`;
  }
  return `${start}: the request does not bound what it can cost, and the limit refuses such runs.`;
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

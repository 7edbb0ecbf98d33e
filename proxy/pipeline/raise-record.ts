import { computeMoneyReserved } from '../../policy/limits/index.ts';
import type { OpenValues, RaiseHead, SettleItem } from '../../storage/schema/record.ts';
import type { ReservationItem } from '../../storage/schema/reservation.ts';
import type { LimitCharge } from '../../storage/schema/run.ts';
import { boundCost } from './amounts.ts';
import { chargeWorstCase, worstCaseOf } from './charges.ts';
import type { Reserved, Run } from './run.ts';

/**
 * Puts into the spool what a run under way comes to if its proxy dies now, where that is more than stands there already: a
 * run whose worst case was known at its start writes nothing. Called before `items` are asked for, so that a run is never
 * closed or settled at less than the counters hold; and behind the answer, where an item moved to another window, or
 * (`refused`) where what is held is less after all.
 *
 * Throws HocError `spool_full` where it cannot be written; then nothing may be asked for.
 */
export function recordRaise(
  run: Run,
  { tenant, items, refused = false }: { tenant: string; items: readonly ReservationItem[]; refused?: boolean },
): void {
  const { bounded, reserved, gate } = run;
  if (bounded === null || reserved === null) return;
  const raised = { ...reserved, items };
  const { charges, settle } = chargeWorstCase(run, raised);
  if (charges.every((charge, index) => isCovered(charge, bounded[index], refused))) return;
  const moneyReserved = moneyReservedFor(raised);
  const head: RaiseHead = {
    v: 1,
    kind: 'raise',
    run_id: run.id,
    tenant,
    at_ms: gate.clock.nowMs(),
    reserved_nano_usd: moneyReserved?.toString() ?? null,
    worst_case_nano_usd: computeMostCost(run, raised)?.toString() ?? null,
    limits: charges,
  };
  const tail = Buffer.from(JSON.stringify(settlementOf(run, settle)));
  gate.spool.append({ kind: 'raise', seq: 0, head: Buffer.from(JSON.stringify(head)), tail });
  run.bounded = charges;
}

function isCovered(charge: LimitCharge, before: LimitCharge | undefined, exactly: boolean): boolean {
  if (before === undefined || charge.since_ms !== before.since_ms) return false;
  return exactly ? charge.settled === before.settled : BigInt(charge.settled) <= BigInt(before.settled);
}

/** What a shipper needs to settle the run in place of its proxy: where the counters do not know it, to count it once. */
export function settlementOf(
  { uncounted, reserved }: Run,
  settle: readonly SettleItem[],
): Pick<OpenValues, 'settle' | 'settle_at_ms' | 'settle_epoch'> {
  if (uncounted === null || reserved === null) return { settle };
  const items = settle.map((item) => {
    const window = reserved.items.find(({ key }) => key === item.key)?.window;
    return window === undefined ? item : { ...item, window };
  });
  return { settle: items, settle_at_ms: uncounted.atMs, settle_epoch: uncounted.epoch };
}

/** Nano-USD that the counters hold for the run; null where they hold none. */
export function moneyReservedFor(reserved: Reserved | null): bigint | null {
  return reserved?.held ? computeMoneyReserved(reserved.plan, reserved.items) : null;
}

/**
 * The most that the run can cost, in nano-USD, as `worstCaseOf`; where nothing bounds its output, what the output costs
 * that is reserved by tokens. Null without a price.
 */
export function computeMostCost(run: Run, reserved: Reserved): bigint | null {
  const known = worstCaseOf(run.quote, moneyReservedFor(reserved));
  const { quote, read } = run;
  if (known !== null || quote?.price == null || read === null) return known;
  const at = reserved.plan.limits.findIndex(({ kind, unit }) => kind === 'tokens' && unit !== 'input_tokens');
  const held = reserved.items[at]?.amount;
  if (held === undefined) return null;
  const isTotal = reserved.plan.limits[at]?.unit === 'total_tokens';
  const outputTokens = Math.max(0, Number(held) - (isTotal ? quote.inputTokens : 0));
  return boundCost(quote, read.facts, { inputTokens: quote.inputTokens, outputTokens });
}

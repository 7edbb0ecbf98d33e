import type { CounterWindow, GoneRun, OpenReservation, RebuiltCounter } from '../../storage/schema/reservation.ts';
import { maxAmount } from './amount.ts';
import {
  type Charge,
  chargeable,
  copy,
  type Draft,
  expireRun,
  forget,
  type LimitsState,
  nameWindow,
  nothingReserved,
  total,
} from './specification-state.ts';
import { findPosition, isOpen } from './window.ts';

/**
 * The state that a tenant stands in after its counters were rebuilt at `nowMs`: what the Redis driver must write.
 *
 * Used amounts count in the window or bucket of their instant, and one of the future counts now. A reservation counts in
 * that of its own instant, an item of it in that of its own if it has one, and is due `expiresInMs` after the first; one
 * that is due already stands as spent at once, to be replaced by a late settlement or opened again by a renewal, as after
 * any expiry. Entries of one run are one reservation that holds the larger of two amounts at the later instant and is due
 * last, and a run with an entry is not gone. What no window counts any more is left out; nothing passes 9e15.
 */
export function restore(
  rebuilt: { counters: readonly RebuiltCounter[]; open: readonly OpenReservation[]; gone?: readonly GoneRun[] },
  nowMs: number,
): LimitsState {
  const draft = copy({ ...nothingReserved, ticks: new Map() });
  for (const counter of rebuilt.counters) restoreCounter(draft, counter, nowMs);
  for (const [runId, { dueMs, items }] of mergeRuns(rebuilt.open)) {
    const due = dueMs <= nowMs;
    draft.runs.set(runId, { dueMs, stands: due ? 'expired' : 'open' });
    for (const { key, window, amount, atMs } of items) {
      const charge = place(draft, { runId, key, window, atMs }, nowMs);
      const counts = isOpen(window, charge.position, findPosition(window, nowMs));
      charge.reserved = counts && !due ? fit(amount, total(draft, charge.counter).reserved) : amount;
      draft.charges.push(charge);
    }
    if (!due) continue;
    const closes = expireRun(draft, runId, nowMs);
    if (closes.length > 0) draft.runs.set(runId, { dueMs: Math.max(...closes), stands: 'expired' });
    else forget(draft, runId);
  }
  for (const { runId, untilMs } of rebuilt.gone ?? []) {
    if (untilMs > nowMs && !draft.runs.has(runId)) draft.runs.set(runId, { dueMs: untilMs, stands: 'gone' });
  }
  return draft;
}

function restoreCounter(draft: Draft, { key, window, used, near }: RebuiltCounter, nowMs: number): void {
  const newest = findPosition(window, nowMs);
  const counter = nameWindow(key, window);
  for (const { atMs, amount } of used) {
    const charge = place(draft, { runId: null, key, window, atMs }, nowMs);
    if (window.align === 'none' || !isOpen(window, charge.position, newest)) continue;
    charge.used = chargeable(draft, charge, amount);
    draft.charges.push(charge);
  }
  if (near === undefined) return;
  const { position } = place(draft, { runId: null, key, window, atMs: near.atMs }, nowMs);
  if (isOpen(window, position, newest)) draft.marks.set(counter, { position, amount: near.amount });
}

/**
 * An empty charge where its instant lies; a clock ahead of ours does not reach into a window to come. The counter stands
 * at now from here on, so that a clock that goes back opens no window that has passed.
 */
function place(
  draft: Draft,
  at: { runId: string | null; key: string; window: CounterWindow; atMs: number },
  nowMs: number,
): Charge {
  const { runId, key, window, atMs } = at;
  const newest = findPosition(window, nowMs);
  const counter = nameWindow(key, window);
  draft.newest.set(counter, newest);
  const position = Math.min(findPosition(window, atMs), newest);
  return { runId, key, counter, window, position, reserved: 0n, used: 0n };
}

function fit(amount: bigint, taken: bigint): bigint {
  return amount < maxAmount - taken ? amount : maxAmount - taken;
}

interface MergedRun {
  dueMs: number;
  items: { key: string; window: CounterWindow; amount: bigint; atMs: number }[];
}

function mergeRuns(open: readonly OpenReservation[]): Map<string, MergedRun> {
  const runs = new Map<string, MergedRun>();
  for (const { runId, atMs, expiresInMs, items } of open) {
    const run = runs.get(runId) ?? { dueMs: 0, items: [] };
    runs.set(runId, run);
    run.dueMs = Math.max(run.dueMs, atMs + expiresInMs);
    for (const item of items) {
      const counter = nameWindow(item.key, item.window);
      const known = run.items.find((one) => nameWindow(one.key, one.window) === counter);
      const sinceMs = item.atMs ?? atMs;
      if (known === undefined) {
        run.items.push({ ...item, atMs: sinceMs });
        continue;
      }
      if (item.amount > known.amount) known.amount = item.amount;
      known.atMs = Math.max(known.atMs, sinceMs);
    }
  }
  return runs;
}

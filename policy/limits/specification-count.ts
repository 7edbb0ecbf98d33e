import type { CountRequest } from '../../storage/schema/reservation.ts';
import { type Draft, findCharges, nameWindow, settleCharge, touch } from './specification-state.ts';
import { findPosition, isOpen } from './window.ts';

/** For how long it is remembered that a run was settled for good, in ms. */
export const goneForMs = 86_400_000;

export type Count = Omit<CountRequest, 'tenant'>;

/** From now on whatever is asked of the run changes nothing. */
export function bury(draft: Draft, runId: string, nowMs: number): void {
  draft.runs.set(runId, { dueMs: nowMs + goneForMs, stands: 'gone' });
}

/**
 * Charges what a run came to: in place of what it holds, and the rest at its instant, above any ceiling; one of the future
 * counts now. Nothing is charged in a window that has passed.
 */
export function countItems(draft: Draft, { runId, atMs, items }: Count, nowMs: number): void {
  const amounts = new Map(items.map((item) => [nameWindow(item.key, item.window), item.amount]));
  const held = findCharges(draft, runId);
  for (const charge of held) settleCharge(draft, charge, { amount: amounts.get(charge.counter) ?? 0n, nowMs });
  for (const { key, window, amount, atMs: sinceMs = atMs } of items) {
    const counter = nameWindow(key, window);
    if (held.some((charge) => charge.counter === counter)) continue;
    const newest = touch(draft, { counter, window }, nowMs);
    const position = Math.min(findPosition(window, sinceMs), newest);
    if (window.align === 'none' || !isOpen(window, position, newest)) continue;
    draft.newest.set(counter, newest);
    const charge = { runId: null, key, counter, window, position, reserved: 0n, used: 0n };
    settleCharge(draft, charge, { amount, nowMs });
    draft.charges.push(charge);
  }
}

/**
 * The state of the limits specification: every charge by itself, added up anew for each question, so that nothing
 * incremental can be wrong in it.
 */
import type { CounterWindow } from '../../storage/schema/reservation.ts';
import { maxAmount } from './amount.ts';
import type { NearMark } from './specification-near.ts';
import { findClose, findPosition, isOpen } from './window.ts';

/** What one run holds of one counter: reserved while it is open, used once it is settled or expired. */
export interface Charge {
  /** Null once the run is settled: the charge only counts on. */
  runId: string | null;
  key: string;
  /** Key and window: one key under two windows (a changed limit) is two counters. */
  counter: string;
  window: CounterWindow;
  /** The calendar window or rolling bucket in which the run was reserved, or took more after that one had passed. */
  position: number;
  reserved: bigint;
  used: bigint;
}

export interface OpenRun {
  dueMs: number;
  /**
   * `expired`: stands as used, to be replaced by a late settlement. `gone`: settled for good and holds nothing; that is
   * forgotten when it is due.
   */
  stands: 'open' | 'expired' | 'gone';
}

/** Runs whose expiry counted as spent, and those of them that were settled or went on after all. Unix ms. */
export interface Expiries {
  count: number;
  madeGood: number;
  firstAtMs: number | null;
  lastAtMs: number | null;
}

export interface LimitsState {
  charges: readonly Charge[];
  /** The newest position that each counter has seen: a clock that goes back does not reopen a window. */
  newest: ReadonlyMap<string, number>;
  runs: ReadonlyMap<string, OpenRun>;
  /** When each counter was last told to be near. */
  marks: ReadonlyMap<string, NearMark>;
  /** How many calls each caller has made. */
  ticks: ReadonlyMap<string, number>;
  expiries: Expiries;
}

/** A state under construction. */
export interface Draft extends LimitsState {
  charges: Charge[];
  newest: Map<string, number>;
  runs: Map<string, OpenRun>;
  marks: Map<string, NearMark>;
  expiries: Expiries;
}

/** A tenant that has never reserved anything. */
export const nothingReserved: LimitsState = {
  charges: [],
  newest: new Map(),
  runs: new Map(),
  marks: new Map(),
  ticks: new Map(),
  expiries: { count: 0, madeGood: 0, firstAtMs: null, lastAtMs: null },
};

/** A state to change in place of one that stands. */
export function copy(state: LimitsState): Draft {
  return {
    charges: state.charges.map((charge) => ({ ...charge })),
    newest: new Map(state.newest),
    runs: new Map(state.runs),
    marks: new Map(state.marks),
    ticks: state.ticks,
    expiries: { ...state.expiries },
  };
}

/** One key under two windows is two counters. */
export function nameWindow(key: string, window: CounterWindow): string {
  return JSON.stringify([key, window]);
}

/** Where the counter stands; one that exists moves there for good. */
export function touch(draft: Draft, { counter, window }: Pick<Charge, 'counter' | 'window'>, nowMs: number): number {
  const known = draft.newest.get(counter);
  const position = findPosition(window, nowMs);
  if (known === undefined) return position;
  const newest = Math.max(known, position);
  draft.newest.set(counter, newest);
  return newest;
}

/** Whether a charge counts where its counter stands now. */
export function isCounting(draft: Draft, { counter, window, position }: Charge): boolean {
  return isOpen(window, position, draft.newest.get(counter) ?? position);
}

/** What charges come to. */
export function sum(charges: readonly Charge[]): { used: bigint; reserved: bigint } {
  return {
    used: charges.reduce((all, one) => all + one.used, 0n),
    reserved: charges.reduce((all, one) => all + one.reserved, 0n),
  };
}

/** What counts in a counter where it stands now. */
export function total(draft: Draft, counter: string): { used: bigint; reserved: bigint } {
  return sum(draft.charges.filter((charge) => charge.counter === counter && isCounting(draft, charge)));
}

/** How much of `amount` is counted as used: nothing where the window has passed, and never over 9e15 in all. */
export function chargeable(draft: Draft, charge: Charge, amount: bigint): bigint {
  if (charge.window.align === 'none' || !isCounting(draft, charge)) return 0n;
  const room = maxAmount - total(draft, charge.counter).used;
  return amount < room ? amount : room;
}

/** Charges an open run that is due; answers when its windows close that still count it. */
export function expireRun(draft: Draft, runId: string, nowMs: number): number[] {
  return draft.charges
    .filter((charge) => charge.runId === runId)
    .flatMap((charge) => {
      touch(draft, charge, nowMs);
      const { reserved } = charge;
      charge.reserved = 0n;
      charge.used = chargeable(draft, charge, reserved);
      const counts = charge.window.align !== 'none' && isCounting(draft, charge);
      return counts ? [findClose(charge.window, charge.position)] : [];
    });
}

/** Forgets a run; what it was charged counts on. */
export function forget(draft: Draft, runId: string): void {
  draft.runs.delete(runId);
  for (const charge of draft.charges) {
    if (charge.runId === runId) charge.runId = null;
  }
}

/** What a run holds. */
export function findCharges(draft: Draft, runId: string): Charge[] {
  return draft.charges.filter((charge) => charge.runId === runId);
}

/** Puts what a run came to in place of what the charge holds of it; from then on it only counts on. */
export function settleCharge(draft: Draft, charge: Charge, { amount, nowMs }: { amount: bigint; nowMs: number }): void {
  touch(draft, charge, nowMs);
  charge.reserved = 0n;
  charge.used = 0n;
  charge.used = chargeable(draft, charge, amount);
  charge.runId = null;
}

/** Drops charges that no run holds and that no reading will ever count again. */
export function prune(draft: Draft): Draft {
  draft.charges = draft.charges.filter(
    (charge) => charge.runId !== null || (charge.window.align !== 'none' && isCounting(draft, charge)),
  );
  return draft;
}

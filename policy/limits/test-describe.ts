import type { CounterWindow, GoneRun, OpenReservation, RebuiltCounter } from '../../storage/schema/reservation.ts';
import type { Charge, LimitsState } from './specification-state.ts';
import { findClose, findPosition, isOpen, rollingBuckets } from './window.ts';

/**
 * What control would rebuild a state from: used amounts by window, what is open, what was told to be near.
 *
 * An expired run is an open reservation that is past due. Everything that is due must have been expired by `nowMs`, and no
 * counter may stand later than that.
 */
export function describe(
  state: LimitsState,
  nowMs: number,
): { counters: RebuiltCounter[]; open: OpenReservation[]; gone: GoneRun[] } {
  const names = new Set([...state.charges.map(({ counter }) => counter), ...state.marks.keys()]);
  return {
    counters: [...names].map((name) => describeCounter(state, name, nowMs)),
    open: state.charges.flatMap((charge) => describeOpen(state, charge, nowMs)),
    gone: [...state.runs].flatMap(([runId, { dueMs, stands }]) =>
      stands === 'gone' ? [{ runId, untilMs: dueMs }] : [],
    ),
  };
}

function describeCounter(state: LimitsState, name: string, nowMs: number): RebuiltCounter {
  const [key, window] = JSON.parse(name) as [string, CounterWindow];
  const used = state.charges
    .filter((one) => one.counter === name && one.runId === null)
    .filter((one) => isOpen(window, one.position, findPosition(window, nowMs)))
    .map((one) => ({ atMs: findInstant(window, one.position, nowMs), amount: one.used }));
  const mark = state.marks.get(name);
  if (mark === undefined) return { key, window, used };
  return { key, window, used, near: { atMs: findInstant(window, mark.position, nowMs), amount: mark.amount } };
}

function describeOpen(state: LimitsState, charge: Charge, nowMs: number): OpenReservation[] {
  const { runId, key, window } = charge;
  const run = runId === null ? undefined : state.runs.get(runId);
  if (runId === null || run === undefined) return [];
  const atMs = findInstant(window, charge.position, nowMs);
  const expiresInMs = run.stands === 'expired' ? 0 : run.dueMs - atMs;
  return [{ runId, atMs, expiresInMs, items: [{ key, window, amount: charge.reserved + charge.used }] }];
}

/** An instant that lies at the position, not after now. */
function findInstant(window: CounterWindow, position: number, nowMs: number): number {
  const lives = window.align === 'rolling' ? rollingBuckets : 0;
  return Math.min(findClose(window, position - lives) - 1, nowMs);
}

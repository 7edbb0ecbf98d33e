/**
 * What reserving, settling and expiring mean, as a pure state machine of one tenant: the specification that the Redis
 * script must match in every reading. It keeps every charge and adds them up anew, so that nothing incremental can be
 * wrong in it; time is given, amounts are bigint.
 */
import type {
  CounterWindow,
  Reading,
  ReserveReply,
  ReserveRequest,
  SettleRequest,
} from '../../storage/schema/reservation.ts';
import { maxAmount } from './amount.ts';
import { decideNear, type NearMark } from './specification-near.ts';
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
  /** Whether the reservation has expired and stands as used, to be replaced by a late settlement. */
  expired: boolean;
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
}

/** A state under construction. */
export interface Draft extends LimitsState {
  charges: Charge[];
  newest: Map<string, number>;
  runs: Map<string, OpenRun>;
  marks: Map<string, NearMark>;
}

export type Reserve = Omit<ReserveRequest, 'tenant'>;
export type Settle = Omit<SettleRequest, 'tenant'>;

/** A tenant that has never reserved anything. */
export const nothingReserved: LimitsState = {
  charges: [],
  newest: new Map(),
  runs: new Map(),
  marks: new Map(),
  ticks: new Map(),
};

/**
 * Reserves for one run, or refuses naming the first item that does not fit; then nothing is taken.
 *
 * A run that is open already is raised to the given amounts, never lowered, and its expiry starts anew: the same request
 * twice is one reservation, and a larger one tops it up. What is topped up counts where the run was first reserved; once
 * that window has passed, a run that takes more counts as a whole where it does so, or it would take that from nobody. An
 * expired run is opened again.
 */
export function reserve(
  state: LimitsState,
  request: Reserve,
  nowMs: number,
): { state: LimitsState; reply: ReserveReply } {
  const draft = copy(state);
  const run = draft.runs.get(request.runId);
  const wanted = request.items.map((item) => {
    const counter = nameWindow(item.key, item.window);
    const newest = touch(draft, { counter, window: item.window }, nowMs);
    const held = draft.charges.find((charge) => charge.runId === request.runId && charge.counter === counter);
    const passed = held !== undefined && !isOpen(item.window, held.position, newest);
    const isGone = held === undefined || (passed && run?.expired === true);
    const more = item.amount - (isGone ? 0n : held.reserved + held.used);
    const delta = more <= 0n ? 0n : passed ? item.amount : more;
    return { item, counter, newest, held, passed, delta };
  });
  const refused = wanted.findIndex(({ item, counter, held, delta }) => {
    const { used, reserved } = total(draft, counter);
    return (held === undefined || delta > 0n) && used + reserved + delta > item.ceiling;
  });
  if (refused >= 0) {
    const readings = request.items.map((item) => read(draft, item, nowMs));
    return { state: draft, reply: { kind: 'refused', refused, readings } };
  }
  if (run?.expired) reopen(draft, request.runId, nowMs);
  for (const { item, counter, newest, held, passed, delta } of wanted) {
    if (held !== undefined) {
      if (passed && delta > 0n) Object.assign(held, { position: newest, reserved: 0n, used: 0n });
      held.reserved += delta;
      continue;
    }
    draft.newest.set(counter, newest);
    const { key, window, amount } = item;
    draft.charges.push({ runId: request.runId, key, counter, window, position: newest, reserved: amount, used: 0n });
  }
  draft.runs.set(request.runId, { dueMs: nowMs + request.expiresInMs, expired: false });
  const readings = wanted.map(({ item, counter, newest, delta }) => {
    const near = tellNear(draft, { item, counter, position: newest, delta });
    return { ...read(draft, item, nowMs), near };
  });
  return { state: draft, reply: { kind: 'granted', readings } };
}

/**
 * Replaces what a run holds by what it came to; an item that is not listed came to nothing. A run that is not known was
 * settled before: nothing happens. In a window that has passed nothing is charged.
 */
export function settle(state: LimitsState, request: Settle, nowMs: number): LimitsState {
  const draft = copy(state);
  if (!draft.runs.delete(request.runId)) return draft;
  const amounts = new Map(request.items.map((item) => [item.key, item.amount]));
  for (const charge of draft.charges.filter(({ runId }) => runId === request.runId)) {
    touch(draft, charge, nowMs);
    charge.reserved = 0n;
    charge.used = 0n;
    charge.used = chargeable(draft, charge, amounts.get(charge.key) ?? 0n);
    charge.runId = null;
  }
  return prune(draft);
}

/**
 * Charges at most `atMost` runs that are due, the longest due first (ties by run id, as bytes), at what they reserved,
 * and forgets those charged before whose windows have all passed. Concurrency is given back instead.
 */
export function expire(state: LimitsState, atMost: number, nowMs: number): LimitsState {
  const draft = copy(state);
  const due = [...draft.runs]
    .filter(([, run]) => run.dueMs <= nowMs)
    .sort(([a, x], [b, y]) => x.dueMs - y.dueMs || Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .slice(0, atMost);
  for (const [runId, run] of due) {
    const closes = run.expired ? [] : expireRun(draft, runId, nowMs);
    if (closes.length > 0) draft.runs.set(runId, { dueMs: Math.max(...closes), expired: true });
    else forget(draft, runId);
  }
  return prune(draft);
}

/** The reading of one counter: what is settled and what is open in its window at `nowMs`. Changes nothing. */
export function read(state: LimitsState, item: { key: string; window: CounterWindow }, nowMs: number): Reading {
  const { window } = item;
  const counter = nameWindow(item.key, window);
  const newest = Math.max(state.newest.get(counter) ?? Number.NEGATIVE_INFINITY, findPosition(window, nowMs));
  const open = state.charges.filter((one) => one.counter === counter && isOpen(window, one.position, newest));
  const oldest = window.align === 'rolling' ? Math.min(...open.map((one) => one.position)) : newest;
  const resets = findClose(window, oldest) - nowMs;
  return { ...sum(open), resetsInMs: Number.isFinite(resets) ? resets : 0, near: false };
}

/**
 * One call of the script: it expires a bounded few, settles, and then reserves, each in the order given. The answer counts
 * the calls of its caller, so that a caller finds out when some of them were lost.
 */
export function applyCall(
  state: LimitsState,
  call: { caller: string; nowMs: number; sweep: number; settles: readonly Settle[]; reserves: readonly Reserve[] },
): { state: LimitsState; tick: number; replies: ReserveReply[] } {
  let next = expire(state, call.sweep, call.nowMs);
  for (const request of call.settles) next = settle(next, request, call.nowMs);
  const replies = call.reserves.map((request) => {
    const done = reserve(next, request, call.nowMs);
    next = done.state;
    return done.reply;
  });
  const tick = (state.ticks.get(call.caller) ?? 0) + 1;
  return { state: { ...next, ticks: new Map(next.ticks).set(call.caller, tick) }, tick, replies };
}

function copy(state: LimitsState): Draft {
  return {
    charges: state.charges.map((charge) => ({ ...charge })),
    newest: new Map(state.newest),
    runs: new Map(state.runs),
    marks: new Map(state.marks),
    ticks: state.ticks,
  };
}

/** Whether this grant is the first to bring the counter to its near mark; the counter is marked then. */
function tellNear(
  draft: Draft,
  grant: { item: { near: bigint; window: CounterWindow }; counter: string; position: number; delta: bigint },
): boolean {
  const { item, counter, position, delta } = grant;
  const { used, reserved } = total(draft, counter);
  const taken = used + reserved;
  const known = draft.marks.get(counter) ?? null;
  const { near, window } = item;
  const { tell, mark } = decideNear(known, { near, window, position, before: taken - delta, taken });
  if (mark === null) draft.marks.delete(counter);
  else draft.marks.set(counter, mark);
  return tell;
}

/** One key under two windows is two counters. */
export function nameWindow(key: string, window: CounterWindow): string {
  return JSON.stringify([key, window]);
}

/** Where the counter stands; one that exists moves there for good. */
function touch(draft: Draft, { counter, window }: Pick<Charge, 'counter' | 'window'>, nowMs: number): number {
  const known = draft.newest.get(counter);
  const position = findPosition(window, nowMs);
  if (known === undefined) return position;
  const newest = Math.max(known, position);
  draft.newest.set(counter, newest);
  return newest;
}

function isCounting(draft: Draft, { counter, window, position }: Charge): boolean {
  return isOpen(window, position, draft.newest.get(counter) ?? position);
}

function sum(charges: readonly Charge[]): { used: bigint; reserved: bigint } {
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

function reopen(draft: Draft, runId: string, nowMs: number): void {
  for (const charge of draft.charges.filter((one) => one.runId === runId)) {
    touch(draft, charge, nowMs);
    charge.reserved = charge.used;
    charge.used = 0n;
  }
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

/** Drops charges that no run holds and that no reading will ever count again. */
function prune(draft: Draft): Draft {
  draft.charges = draft.charges.filter(
    (charge) => charge.runId !== null || (charge.window.align !== 'none' && isCounting(draft, charge)),
  );
  return draft;
}

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
import { bury, type Count, countItems } from './specification-count.ts';
import { decideNear } from './specification-near.ts';
import {
  copy,
  type Draft,
  expireRun,
  findCharges,
  forget,
  type LimitsState,
  nameWindow,
  prune,
  settleCharge,
  sum,
  total,
  touch,
} from './specification-state.ts';
import { findClose, findPosition, isOpen } from './window.ts';

export { type LimitsState, nothingReserved } from './specification-state.ts';

export type Reserve = Omit<ReserveRequest, 'tenant'>;
export type Settle = Omit<SettleRequest, 'tenant'>;

/**
 * Reserves for one run, or refuses naming the first item that does not fit; then nothing is taken.
 *
 * A run that is open already is raised to the given amounts, never lowered, and its expiry starts anew: the same request
 * twice is one reservation, and a larger one tops it up. What is topped up counts where the run was first reserved; once
 * that window has passed, a run that takes more counts as a whole where it does so, or it would take that from nobody. An
 * expired run is opened again, and one that is gone is told so. The reply names the items that count in the window of `nowMs` itself.
 */
export function reserve(
  state: LimitsState,
  request: Reserve,
  nowMs: number,
): { state: LimitsState; reply: ReserveReply } {
  const draft = copy(state);
  const run = draft.runs.get(request.runId);
  if (run?.stands === 'gone') return { state: draft, reply: { kind: 'gone' } };
  const wanted = request.items.map((item) => {
    const counter = nameWindow(item.key, item.window);
    const newest = touch(draft, { counter, window: item.window }, nowMs);
    const held = draft.charges.find((charge) => charge.runId === request.runId && charge.counter === counter);
    const passed = held !== undefined && !isOpen(item.window, held.position, newest);
    const isGone = held === undefined || (passed && run?.stands === 'expired');
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
  if (run?.stands === 'expired') reopen(draft, request.runId, nowMs);
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
  draft.runs.set(request.runId, { dueMs: nowMs + request.expiresInMs, stands: 'open' });
  const readings = wanted.map(({ item, counter, newest, delta }) => {
    const near = tellNear(draft, { item, counter, position: newest, delta });
    return { ...read(draft, item, nowMs), near };
  });
  const held = findCharges(draft, request.runId);
  const items = wanted.flatMap(({ counter, newest }, index) => {
    return held.some((charge) => charge.counter === counter && charge.position === newest) ? [index] : [];
  });
  return { state: draft, reply: { kind: 'granted', readings, placed: { atMs: nowMs, items } } };
}

/**
 * Replaces what a run holds by what it came to; an item that is not listed came to nothing. A run that is not known was
 * settled before: nothing happens, nor to one that is gone. In a window that has passed nothing is charged. After a final
 * settlement the run is gone, known or not.
 */
export function settle(state: LimitsState, request: Settle, nowMs: number): LimitsState {
  const draft = copy(state);
  if (!endRun(draft, request.runId)) return draft;
  const amounts = new Map(request.items.map((item) => [item.key, item.amount]));
  for (const charge of findCharges(draft, request.runId)) {
    settleCharge(draft, charge, { amount: amounts.get(charge.key) ?? 0n, nowMs });
  }
  if (request.final === true) bury(draft, request.runId, nowMs);
  return prune(draft);
}

/** Charges a run that nobody reserved with what it came to, unless it is gone; after that it is. */
export function countOnce(state: LimitsState, request: Count, nowMs: number): LimitsState {
  const draft = copy(state);
  if (!endRun(draft, request.runId)) return draft;
  countItems(draft, request, nowMs);
  bury(draft, request.runId, nowMs);
  return prune(draft);
}

/** Answers whether the run may be settled: not where it is gone. */
function endRun(draft: Draft, runId: string): boolean {
  const stands = draft.runs.get(runId)?.stands;
  if (stands === 'gone') return false;
  if (stands === 'expired') draft.expiries.madeGood += 1;
  draft.runs.delete(runId);
  return true;
}

/**
 * Charges at most `atMost` runs that are due, the longest due first (ties by run id, as bytes), at what they reserved,
 * and forgets those charged before whose windows have all passed, and that others are gone. Concurrency is given back
 * instead; a run that held nothing else does not count as expired.
 */
export function expire(state: LimitsState, atMost: number, nowMs: number): LimitsState {
  const draft = copy(state);
  const due = [...draft.runs]
    .filter(([, run]) => run.dueMs <= nowMs)
    .sort(([a, x], [b, y]) => x.dueMs - y.dueMs || Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .slice(0, atMost);
  for (const [runId, run] of due) {
    const closes = run.stands === 'open' ? expireRun(draft, runId, nowMs) : [];
    if (closes.length === 0) {
      forget(draft, runId);
      continue;
    }
    draft.runs.set(runId, { dueMs: Math.max(...closes), stands: 'expired' });
    draft.expiries.count += 1;
    draft.expiries.firstAtMs ??= nowMs;
    draft.expiries.lastAtMs = nowMs;
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
  call: {
    caller: string;
    nowMs: number;
    sweep: number;
    settles: readonly (Settle | Count)[];
    reserves: readonly Reserve[];
  },
): { state: LimitsState; tick: number; replies: ReserveReply[] } {
  let next = expire(state, call.sweep, call.nowMs);
  for (const request of call.settles) {
    next = 'atMs' in request ? countOnce(next, request, call.nowMs) : settle(next, request, call.nowMs);
  }
  const replies = call.reserves.map((request) => {
    const done = reserve(next, request, call.nowMs);
    next = done.state;
    return done.reply;
  });
  const tick = (state.ticks.get(call.caller) ?? 0) + 1;
  return { state: { ...next, ticks: new Map(next.ticks).set(call.caller, tick) }, tick, replies };
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

function reopen(draft: Draft, runId: string, nowMs: number): void {
  for (const charge of findCharges(draft, runId)) {
    touch(draft, charge, nowMs);
    charge.reserved = charge.used;
    charge.used = 0n;
  }
  draft.expiries.madeGood += 1;
}

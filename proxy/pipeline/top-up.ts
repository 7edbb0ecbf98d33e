import type { SettleItem } from '../../storage/schema/record.ts';
import type { PlacedItems, Reading, ReservationItem, ReserveReply } from '../../storage/schema/reservation.ts';
import { recordRaise } from './raise-record.ts';
import type { Run } from './run.ts';

/**
 * Reserves the run's items, or raises and renews what it holds, and takes note of what was granted.
 *
 * Never waits longer than the reservation's own time-out. What a run already holds is never lowered and, where the raise
 * is refused, stays as it was.
 */
export async function raiseReservation(
  run: Run,
  input: { tenant: string; items: readonly ReservationItem[]; raises: boolean },
): Promise<ReserveReply> {
  const { gate } = run;
  const { tenant, items, raises } = input;
  if (raises) recordRaise(run, { tenant, items });
  const expiresInMs = gate.limits.reservationMs;
  const call = gate.reservations.reserve({
    ...{ tenant, runId: run.id, expiresInMs, items },
    ...(raises ? { raises } : {}),
  });
  run.raising = call;
  const reply = await call.finally(() => {
    if (run.raising === call) run.raising = null;
  });
  if (raises) gate.telemetry.limitToppedUp(reply.kind);
  if (reply.kind === 'granted') tellNear(run, input, reply.readings);
  const { reserved } = run;
  if (raises && reply.kind === 'refused' && reserved !== null && !run.settled) {
    recordRaise(run, { tenant, items: reserved.items, refused: true });
  }
  if (reply.kind !== 'granted' || reserved === null || run.settled) return reply;
  const readings = joinReadings(reserved.readings, reply.readings);
  const sinceMs = movePlaces(reserved.sinceMs, reply.placed, items.length);
  const held = keepLarger(reserved.items, items);
  run.reserved = { ...reserved, items: held, readings, sinceMs, held: true };
  const sinceStartMs = gate.clock.nowMs() - run.startedAtMs;
  gate.openReservations.put(tenant, {
    ...{ runId: run.id, atMs: run.startedAtMs, items: held.map((item, at) => ({ ...item, ...placeOf(sinceMs[at]) })) },
    expiresInMs: sinceStartMs + expiresInMs,
  });
  if (raises) recordRaise(run, { tenant, items: held });
  return reply;
}

/** A renewal that was asked for before a top-up and is answered after it lowers nothing. */
function keepLarger(held: readonly ReservationItem[], asked: readonly ReservationItem[]): readonly ReservationItem[] {
  return asked.map((item, index) => {
    const before = held[index];
    return before !== undefined && before.amount > item.amount ? before : item;
  });
}

/** Since when each item counts: an instant in its window, of the newest call that was told of it. */
function movePlaces(before: readonly number[], placed: PlacedItems | undefined, count: number): readonly number[] {
  if (placed === undefined || placed.items.length === 0) return before;
  const { atMs, items } = placed;
  if (items.length === count) return items.map(() => atMs);
  return before.map((sinceMs, index) => (items.includes(index) ? atMs : sinceMs));
}

function placeOf(atMs: number | undefined): { atMs?: number } {
  return atMs === undefined ? {} : { atMs };
}

function tellNear(
  { gate }: Run,
  { tenant, items }: { tenant: string; items: readonly ReservationItem[] },
  readings: readonly Reading[],
): void {
  readings.forEach((reading, index) => {
    const limitId = items[index]?.limitId;
    if (reading.near && limitId !== undefined) gate.telemetry.limitNear(tenant, limitId);
  });
}

/** The newer readings, each near where either is: the mark is told once a window. */
function joinReadings(older: readonly Reading[], newer: readonly Reading[]): readonly Reading[] {
  if (!older.some((reading) => reading.near)) return newer;
  return newer.map((reading, index) => (older[index]?.near === true ? { ...reading, near: true } : reading));
}

/**
 * Hands an ended run to be settled. Behind a top-up that is still under way: settled before it, the run would be
 * reserved anew and by nobody ended.
 */
export function settleRun(run: Run, tenant: string, settle: readonly SettleItem[]): void {
  run.settled = true;
  run.gate.openReservations.drop(run.id);
  const items = settle.map((item) => ({ key: item.key, amount: BigInt(item.amount) }));
  const add = () => run.gate.settler.add(tenant, run.id, items);
  if (run.raising === null) add();
  else void run.raising.then(add, add);
}

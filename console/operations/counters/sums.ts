import { findClose, findPosition, subjectKey, windowOf } from '../../../policy/limits/index.ts';
import type { CounterWindow, RebuiltCounter } from '../../../storage/schema/reservation.ts';
import type { LimitEntry } from '../../../storage/schema/snapshot.ts';
import type { ChargeSum, ChargesQuery } from '../ports.ts';

/** The largest amount that a counter holds. */
const mostAmount = 9_000_000_000_000_000n;

interface CountedLimit {
  limit: LimitEntry;
  window: CounterWindow;
}

/** Limits that have counters which keep what was used: not caps, and not concurrency, of which only open runs hold some. */
function listCounted(limits: readonly LimitEntry[]): CountedLimit[] {
  return limits.flatMap((limit) => {
    const window = windowOf(limit);
    return window === null || window.align === 'none' ? [] : [{ limit, window }];
  });
}

/** What has to be summed so that every window that is open at `nowMs` (Unix ms) is covered. */
export function planSums(limits: readonly LimitEntry[], nowMs: number): ChargesQuery['limits'] {
  return listCounted(limits).map(({ limit, window }) => {
    const position = findPosition(window, nowMs);
    const bucketMs = window.align === 'rolling' ? findClose(window, 1) - findClose(window, 0) : null;
    const sinceMs =
      bucketMs === null ? findClose(window, position - 1) : position * bucketMs - (findClose(window, 0) - bucketMs);
    return { id: limit.id, by: limit.by, sinceMs, bucketMs };
  });
}

/**
 * Counters by key from the sums of what runs were charged. Runs that were charged by a limit of that id count under the
 * limit's dimensions and window as they are now; sums that lack a dimension belong to no counter. `nowMs` is Unix ms.
 */
export function buildCounters(
  limits: readonly LimitEntry[],
  sums: readonly ChargeSum[],
  nowMs: number,
): RebuiltCounter[] {
  const counted = new Map(listCounted(limits).map((one) => [one.limit.id, one]));
  const counters = new Map<string, CountedLimit & { used: Map<number, bigint> }>();
  for (const sum of sums) {
    const one = counted.get(sum.limitId);
    const key = one === undefined ? null : subjectKey(one.limit, { ...sum, actor: nameActor(sum) });
    if (one === undefined || key === null) continue;
    const counter = counters.get(key) ?? { ...one, used: new Map<number, bigint>() };
    counters.set(key, counter);
    counter.used.set(sum.atMs, (counter.used.get(sum.atMs) ?? 0n) + sum.settled);
  }
  return [...counters].map(([key, { limit, window, used }]) => ({
    key,
    window,
    used: [...used].map(([atMs, amount]) => ({ atMs, amount: amount > mostAmount ? mostAmount : amount })),
    ...markNear(limit, used, nowMs),
  }));
}

/** A counter that stands beyond its near mark has told so in this window. */
function markNear(limit: LimitEntry, used: ReadonlyMap<number, bigint>, nowMs: number): Pick<RebuiltCounter, 'near'> {
  const amount = (BigInt(limit.ceiling) * BigInt(limit.near) + 99n) / 100n;
  const total = [...used.values()].reduce((sum, one) => sum + one, 0n);
  return total >= amount ? { near: { atMs: nowMs, amount } } : {};
}

/** An actor as callers write it, which is how counters name it. */
function nameActor({ actorType, actorId }: ChargeSum): string | null {
  if (actorType === null || actorId === null) return null;
  return actorType === 'human' ? actorId : `${actorType}:${actorId}`;
}

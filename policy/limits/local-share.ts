import type { CounterWindow } from '../../storage/schema/reservation.ts';
import type { CompiledLimit } from './compile.ts';
import type { ReservationPlan } from './plan.ts';
import { findClose, findPosition, isOpen } from './window.ts';

/** For how long a share may stand in for the counters of all proxies. */
const longestAwayMs = 60_000;
const mostCounters = 20_000;

/** Why a share does not admit a run: it is used up, or the counters have been away for too long. */
export interface ShareRefusal {
  /** Index of the limit in the plan. */
  index: number;
  cause: 'share' | 'away';
  reason: string;
  /** Until the share gives something back; null where that cannot be told. */
  retryAfterMs: number | null;
}

/** This proxy's own count of request rates, per tenant: what it may go on with for a minute while Redis is away. */
export interface LocalShare {
  /** Admits and counts a run while the counters cannot be asked, or names the first limit that does not. */
  admit(plan: SharePlan, at: { tenant: string; proxies: number; nowMs: number }): ShareRefusal | null;
  /** Counts a run that the counters granted, and takes note that they are there. Call it at every grant. */
  note(plan: SharePlan, at: { tenant: string; nowMs: number }): void;
}

type SharePlan = Pick<ReservationPlan, 'items' | 'limits'>;

/** Requests by calendar window or rolling bucket, oldest first; no position twice. */
interface Count {
  window: CounterWindow;
  positions: number[];
  amounts: number[];
}

interface Shares {
  /** By tenant, counter and window; in the order in which they last began a bucket or window. */
  counts: Map<string, Count>;
  /** When the counters of a tenant were first found away, since they last granted something. */
  awaySinceMs: Map<string, number>;
  /** Until when a count that had to be dropped might still matter. */
  forgottenUntilMs: number;
}

/**
 * Counts request rates on this proxy, so that it can go on with its share of them while Redis is away.
 *
 * The share of a limit is its ceiling divided by the proxies of the last manifest, rounded down: all shares together are
 * never more than the ceiling, and a ceiling below the number of proxies admits nobody. What this proxy admitted in the
 * same window before is part of its share; where another had admitted more than its own, the window can hold that much
 * more. A proxy that has just started knows of nothing before it. A minute after a tenant's counters
 * were first found away every run is refused. Only limits on requests
 * that say `local` count; time is given (Unix ms). Memory is bounded: 20,000 counters, beyond which a subject that
 * was dropped is refused rather than forgotten.
 */
export function createLocalShare(): LocalShare {
  const shares: Shares = { counts: new Map(), awaySinceMs: new Map(), forgottenUntilMs: 0 };
  return {
    admit: (plan, at) => admit(shares, plan, at),
    note(plan, { tenant, nowMs }) {
      shares.awaySinceMs.delete(tenant);
      for (const { key, window } of listShared(plan, tenant)) addOne(shares, { key, window, nowMs });
    },
  };
}

interface Shared {
  index: number;
  limit: CompiledLimit;
  key: string;
  window: CounterWindow;
}

function listShared(plan: SharePlan, tenant: string): Shared[] {
  return plan.items.flatMap((item, index): Shared[] => {
    const limit = plan.limits[index];
    if (limit === undefined || limit.redisDown !== 'local') return [];
    const { align } = item.window;
    return [{ index, limit, key: `${tenant} ${align} ${limit.windowText} ${item.key}`, window: item.window }];
  });
}

function admit(
  shares: Shares,
  plan: SharePlan,
  at: { tenant: string; proxies: number; nowMs: number },
): ShareRefusal | null {
  const { tenant, nowMs } = at;
  const proxies = Math.max(1, Math.floor(at.proxies));
  const shared = listShared(plan, tenant);
  const since = shares.awaySinceMs.get(tenant) ?? nowMs;
  shares.awaySinceMs.set(tenant, since);
  for (const { index, limit, key, window } of shared) {
    const start = `Blocked by limit ${limit.id}`;
    if (nowMs - since >= longestAwayMs) {
      const reason = `${start}: its counters have been unavailable for more than ${longestAwayMs / 1000} s.`;
      return { index, cause: 'away', reason, retryAfterMs: null };
    }
    const share = limit.ceiling / BigInt(proxies);
    const count = readCount(shares, { key, window, nowMs });
    if (count !== null && BigInt(count.used) < share) continue;
    const used = count === null ? 'an unknown part' : count.used;
    const of = `this proxy's share of ${share} requests (ceiling ${limit.ceiling}, proxies ${proxies})`;
    const reason = `${start}: ${used} of ${of} is used, while the counters of all proxies are unavailable.`;
    const waitMs = count === null ? null : Math.max(1, count.resetsInMs);
    return { index, cause: 'share', reason, retryAfterMs: share === 0n ? null : waitMs };
  }
  for (const { key, window } of shared) addOne(shares, { key, window, nowMs });
  return null;
}

interface Moment {
  key: string;
  window: CounterWindow;
  nowMs: number;
}

/** What was counted in the window that is open at `nowMs`; null where a count may have been dropped. */
function readCount(shares: Shares, { key, window, nowMs }: Moment): { used: number; resetsInMs: number } | null {
  const count = shares.counts.get(key);
  if (count === undefined) return nowMs < shares.forgottenUntilMs ? null : { used: 0, resetsInMs: 0 };
  const newest = Math.max(count.positions.at(-1) ?? 0, findPosition(window, nowMs));
  const open = count.positions.findIndex((position) => isOpen(window, position, newest));
  if (open < 0) return { used: 0, resetsInMs: 0 };
  const used = count.amounts.slice(open).reduce((sum, amount) => sum + amount, 0);
  return { used, resetsInMs: findClose(window, count.positions[open] ?? newest) - nowMs };
}

function addOne(shares: Shares, { key, window, nowMs }: Moment): void {
  const { counts } = shares;
  const count = counts.get(key) ?? { window, positions: [], amounts: [] };
  const last = count.positions.length - 1;
  const newest = count.positions[last];
  const position = findPosition(window, nowMs);
  // A clock that goes back counts where it was.
  if (newest !== undefined && newest >= position) {
    count.amounts[last] = (count.amounts[last] ?? 0) + 1;
    return;
  }
  const open = count.positions.findIndex((one) => isOpen(window, one, position));
  const passed = open < 0 ? count.positions.length : open;
  count.positions.splice(0, passed);
  count.amounts.splice(0, passed);
  count.positions.push(position);
  count.amounts.push(1);
  counts.delete(key);
  counts.set(key, count);
  if (counts.size > mostCounters) dropOldest(shares);
}

function dropOldest(shares: Shares): void {
  for (const [key, count] of shares.counts) {
    const closes = findClose(count.window, count.positions.at(-1) ?? 0);
    shares.forgottenUntilMs = Math.max(shares.forgottenUntilMs, closes);
    shares.counts.delete(key);
    return;
  }
}

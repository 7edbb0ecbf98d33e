import type { Redis } from './connection.ts';
import { limitKeys } from './keys.ts';

/** What tells whether a tenant's counters are still the ones that its proxies wrote. */
export interface CounterState {
  /** The epoch that stands; null for none. */
  epoch: string | null;
  /** By caller of the limits script, how often it wrote. */
  ticks: ReadonlyMap<string, number>;
  /** Since these counters stand. */
  expired: ExpiredRuns;
}

/** Reservations that nobody settled in time. */
export interface ExpiredRuns {
  /** Those that then counted as spent, the ones below included. */
  count: number;
  /** Those of them that were settled, or went on, after all. */
  madeGood: number;
  /** Unix ms by Redis; null for none. */
  firstAtMs: number | null;
  lastAtMs: number | null;
}

/** Reads it in one round trip. Rejects while Redis is away. */
export async function readCounterState(redis: Redis, tenant: string): Promise<CounterState> {
  const [epochKey, , , ticksKey] = limitKeys(tenant);
  const [epoch, ticks] = await Promise.all([redis.get(epochKey), redis.hgetall(ticksKey)]);
  const callers = Object.entries(ticks).filter(([field]) => !field.startsWith('!'));
  return {
    epoch,
    ticks: new Map(callers.map(([caller, tick]) => [caller, Number(tick)])),
    expired: readExpired(ticks),
  };
}

function readExpired(fields: Readonly<Record<string, string>>): ExpiredRuns {
  const instant = (text: string | undefined): number | null => (text === undefined ? null : Number(text));
  return {
    count: Number(fields['!expired'] ?? 0),
    madeGood: Number(fields['!made_good'] ?? 0),
    firstAtMs: instant(fields['!first_expired_at']),
    lastAtMs: instant(fields['!last_expired_at']),
  };
}

/** Whether Redis writes what it is told to a disk, as a log or now and then as a whole. Rejects while Redis is away. */
export async function readPersistence(redis: Redis): Promise<boolean> {
  if (/^aof_enabled:1/m.test(await redis.info('persistence'))) return true;
  try {
    const [, save] = (await redis.config('GET', 'save')) as string[];
    return save !== undefined && save !== '';
  } catch {
    // A managed Redis may refuse CONFIG; it says elsewhere how it persists.
    return true;
  }
}

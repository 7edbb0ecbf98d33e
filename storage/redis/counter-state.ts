import type { Redis } from './connection.ts';
import { limitKeys } from './keys.ts';

/** What tells whether a tenant's counters are still the ones that its proxies wrote. */
export interface CounterState {
  /** The epoch that stands; null for none. */
  epoch: string | null;
  /** By caller of the limits script, how often it wrote. */
  ticks: ReadonlyMap<string, number>;
}

/** Reads it in one round trip. Rejects while Redis is away. */
export async function readCounterState(redis: Redis, tenant: string): Promise<CounterState> {
  const [epochKey, , , ticksKey] = limitKeys(tenant);
  const [epoch, ticks] = await Promise.all([redis.get(epochKey), redis.hgetall(ticksKey)]);
  return { epoch, ticks: new Map(Object.entries(ticks).map(([caller, tick]) => [caller, Number(tick)])) };
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

import type { Redis } from './connection.ts';
import { limitKeys } from './keys.ts';

/** The epoch that marks a tenant's counters in Redis as valid, or null where there is none. Rejects while Redis is away. */
export function readEpoch(redis: Redis, tenant: string): Promise<string | null> {
  return redis.get(limitKeys(tenant)[0]);
}

/**
 * Marks a tenant's counters as valid under `epoch` unless some epoch stands there already; answers the one in force.
 *
 * It is for an epoch that has just been made and never been written. Writing an epoch again whose key is gone would
 * reset every limit of the tenant without a word: that is what the epoch is there to prevent.
 */
export async function writeEpochIfAbsent(redis: Redis, tenant: string, epoch: string): Promise<string> {
  return (await redis.set(limitKeys(tenant)[0], epoch, 'NX', 'GET')) ?? epoch;
}

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

const invalidateScript = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;

/**
 * Declares a tenant's counters invalid: from now on every call under `epoch` is answered as if Redis were down, until
 * control has rebuilt them under another one. Another epoch than the given one is left alone; true where it was this one.
 * Rejects while Redis is away.
 */
export async function invalidateEpoch(redis: Redis, tenant: string, epoch: string): Promise<boolean> {
  return (await redis.eval(invalidateScript, 1, limitKeys(tenant)[0], epoch)) === 1;
}

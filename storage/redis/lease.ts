import { randomUUID } from 'node:crypto';
import type { Redis } from './connection.ts';

export interface Lease {
  /** Takes the lease, or answers false while another holder has it. Taking what is held already renews it. */
  acquire(): Promise<boolean>;
  /** Prolongs the lease by its full length; false where it is no longer ours, and then it has been lost. */
  renew(): Promise<boolean>;
  /** Gives the lease up if it is still ours. */
  release(): Promise<void>;
  /** The present holder, or null. */
  readHolder(): Promise<string | null>;
}

const renewScript = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;
const releaseScript = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;

/**
 * A lease of `ttlMs` under `hoc:lease:<name>`: one holder at a time as long as Redis keeps its data. It renews nothing by
 * itself: the holder calls `renew` well within `ttlMs`, and stops its work when that answers false or rejects for longer.
 * Every method rejects while Redis is away.
 */
export function createLease(redis: Redis, options: { name: string; ttlMs: number; holder?: string }): Lease {
  const { ttlMs, holder = randomUUID() } = options;
  const key = `hoc:lease:${options.name}`;
  const renew = async () => (await redis.eval(renewScript, 1, key, holder, ttlMs)) === 1;
  return {
    async acquire() {
      return (await redis.set(key, holder, 'PX', ttlMs, 'NX')) === 'OK' || renew();
    },
    renew,
    async release() {
      await redis.eval(releaseScript, 1, key, holder);
    },
    readHolder: () => redis.get(key),
  };
}

import type { LiveState } from '../schema/live.ts';
import type { Redis } from './connection.ts';

const index = 'hoc:live';
const lifetimeMs = 10_000;

function liveKey(proxyId: string): string {
  return `hoc:live:${proxyId}`;
}

/**
 * Writes a proxy's live state, in one pipelined write, to a key that Redis forgets after ten seconds; meant for once a
 * second. Rejects while Redis is away: the next write makes up for it.
 */
export function createLiveWriter(redis: Redis, proxyId: string): { write(state: LiveState): Promise<void> } {
  return {
    async write(state) {
      const answers = await redis
        .pipeline()
        .hset(liveKey(proxyId), 'state', JSON.stringify(state))
        .pexpire(liveKey(proxyId), lifetimeMs)
        .sadd(index, proxyId)
        .exec();
      for (const [error] of answers ?? []) if (error !== null) throw error;
    },
  };
}

/** The live state of every proxy that has written one in the last ten seconds, by proxy id. Rejects while Redis is away. */
export async function readLive(redis: Redis): Promise<LiveState[]> {
  const ids = (await redis.smembers(index)).sort();
  const found = await Promise.all(ids.map((id) => redis.hget(liveKey(id), 'state')));
  const gone = ids.filter((_, at) => typeof found[at] !== 'string');
  if (gone.length > 0) await redis.srem(index, ...gone);
  return found.flatMap((text) => (typeof text === 'string' ? [JSON.parse(text) as LiveState] : []));
}

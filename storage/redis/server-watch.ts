import type { Redis } from './connection.ts';

/** What tells a Redis that kept its data from one that may not have. */
export interface ServerState {
  /** Changes with every start of the server, so also when another one answers in its place. */
  runId: string;
  /** Whether its settings allow it to evict keys, which would reset limits without a word. */
  evicts: boolean;
  /** Keys it has evicted since it started. */
  evictedKeys: number;
}

/** Reads it from the server that `redis` is connected to. Rejects while Redis is away. */
export async function readServer(redis: Redis): Promise<ServerState> {
  const [server, memory, stats] = await Promise.all([redis.info('server'), redis.info('memory'), redis.info('stats')]);
  const policy = readField(memory, 'maxmemory_policy');
  return {
    runId: readField(server, 'run_id') ?? '',
    evicts: policy !== null && policy !== 'noeviction',
    evictedKeys: Number(readField(stats, 'evicted_keys') ?? 0),
  };
}

/**
 * Watches the server behind a connection: for control, which takes a tenant's counters for lost where keys were evicted,
 * and for proxies. `check` rejects while Redis is away.
 */
export function watchServer(redis: Redis): { check(): Promise<ServerState> } {
  return { check: () => readServer(redis) };
}

function readField(info: string, name: string): string | null {
  return new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1] ?? null;
}

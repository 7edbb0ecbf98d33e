import type { TenantRow } from '../../../storage/schema/control.ts';
import type { ControlContext } from '../context.ts';

/** Why a tenant's counters are invalid. */
export type CounterCause = 'lost' | 'foreign' | 'rolled_back' | 'evicted' | 'broken_off';

/** What each cause means, for people. */
export const causeWords: Readonly<Record<CounterCause, string>> = {
  lost: 'Redis has lost its data',
  foreign: 'Redis holds counters of another epoch',
  rolled_back: 'Redis has forgotten writes that it had acknowledged',
  evicted: 'Redis has evicted keys, or may',
  broken_off: 'a rebuild of the counters broke off',
};

export interface InvalidCounters {
  tenant: string;
  epoch: string;
  cause: CounterCause;
}

/** How often each caller had written, at the last look, by tenant. In memory: who looks for the first time only learns. */
export type TickSamples = Map<string, { epoch: string; ticks: ReadonlyMap<string, number> }>;

/**
 * Looks at the counters of tenants: valid are those under the tenant's own epoch whose writers' ticks have not gone back
 * since the last look. Shows in the metrics what has expired. Rejects where Redis does not answer.
 */
export async function findInvalidCounters(
  context: ControlContext,
  tenants: readonly Pick<TenantRow, 'slug' | 'counter_epoch'>[],
  samples: TickSamples = new Map(),
): Promise<InvalidCounters[]> {
  const found = await Promise.all(
    tenants.map(async ({ slug, counter_epoch: epoch }): Promise<InvalidCounters | null> => {
      const state = await context.counters.look(slug);
      context.metrics.reservationsExpired(slug, state.expired.count);
      if (state.epoch === null) return { tenant: slug, epoch, cause: 'lost' };
      if (state.epoch !== epoch) return { tenant: slug, epoch, cause: 'foreign' };
      const before = samples.get(slug);
      samples.set(slug, { epoch, ticks: state.ticks });
      if (before?.epoch === epoch && hasGoneBack(before.ticks, state.ticks)) {
        return { tenant: slug, epoch, cause: 'rolled_back' };
      }
      return null;
    }),
  );
  return found.filter((one) => one !== null);
}

function hasGoneBack(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): boolean {
  for (const [caller, tick] of before) if ((now.get(caller) ?? 0) < tick) return true;
  return false;
}

/** The setting that keeps what the server said last, so that evictions are noticed across restarts of control. */
const serverSetting = 'redis_server';

interface KnownServer {
  runId: string;
  evicts: boolean;
  evictedKeys: number;
}

/** What one look at the server came to. */
export interface Eviction {
  /** Redis may evict still, so that rebuilding makes no sense yet. */
  evicts: boolean;
  /** It has evicted keys since control last looked, or has just been allowed to: no tenant's counters can be trusted. */
  evicted: boolean;
  /** Keeps what was seen: to be called once everything has been done about it. */
  remember(): Promise<void>;
}

/** Looks whether Redis evicts keys. Rejects where it does not answer. */
export async function checkEviction(context: ControlContext): Promise<Eviction> {
  const server = await context.counters.server();
  context.metrics.redisSeen(server);
  const { runId, evicts, evictedKeys } = server;
  const text = JSON.stringify({ runId, evicts, evictedKeys } satisfies KnownServer);
  const before = await context.store.transaction((tx) => tx.readSetting(serverSetting));
  const known = before === null ? null : (JSON.parse(before) as KnownServer);
  const seen = known?.runId === runId ? known.evictedKeys : 0;
  const remember = async (): Promise<void> => {
    if (before === text) return;
    await context.store.transaction((tx) => tx.saveSetting({ name: serverSetting, value: text }));
  };
  return { evicts, evicted: evictedKeys > seen || (evicts && known?.evicts !== true), remember };
}

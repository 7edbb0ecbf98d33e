import type { CounterRebuildRow, SpoolRow } from '../../../storage/schema/control.ts';
import { appendAudit } from '../audit.ts';
import type { ControlContext } from '../context.ts';
import { controlPrincipal } from '../snapshot/prepare.ts';
import { beginRebuilds } from './begin.ts';
import { checkEviction, findInvalidCounters, type InvalidCounters, type TickSamples } from './invalid.ts';
import { restoreTenant, resumeRestored } from './restore.ts';
import { listWaiting, type Waited } from './waiting.ts';

/** A rebuild takes a few seconds; one that waits longer for somebody is put on record. */
const longWaitMs = 10_000;
/** By then every proxy that lives has said so again, to a Redis that may have forgotten it. */
const soonestMs = 2_000;
const nameCharacters = 500;

/** What one control remembers from look to look; nothing that must survive. */
export interface CounterWatch {
  samples: TickSamples;
  /** What last kept a tenant from being restored: said once. */
  troubles: Map<string, string>;
}

/** A watch that has seen nothing. */
export function createCounterWatch(): CounterWatch {
  return { samples: new Map(), troubles: new Map() };
}

/**
 * One look at the counters of all tenants: begins the rebuilds of those that are invalid, and ends those that wait for
 * nobody any more. Everything that must survive stands in Postgres, so that any control goes on where another was killed.
 *
 * To be called once a second by one control at a time. Rejects where an engine does not answer, and then the next call
 * makes up for it; one tenant that cannot be restored does not hold up the others.
 */
export async function advanceCounters(context: ControlContext, watch: CounterWatch): Promise<void> {
  await noteLiveProxies(context);
  const eviction = await checkEviction(context);
  const { tenants, rebuilds, spools } = await context.store.transaction(async (tx) => ({
    tenants: (await tx.readTenants()).filter((row) => row.counters_written && row.state !== 'terminated'),
    rebuilds: await tx.readRebuilds(),
    spools: await tx.readSpools(),
  }));
  const isRebuilding = new Set(rebuilds.map((rebuild) => rebuild.tenant));
  const standing = tenants.filter((row) => !isRebuilding.has(row.slug));
  const found: InvalidCounters[] = eviction.evicted
    ? standing.map((row) => ({ tenant: row.slug, epoch: row.counter_epoch, cause: 'evicted' }))
    : await findInvalidCounters(context, standing, watch.samples);
  await beginRebuilds(context, found);
  await eviction.remember();
  if (eviction.evicts) return;
  for (const rebuild of rebuilds) await advanceOne(context, { rebuild, spools, troubles: watch.troubles });
}

async function noteLiveProxies(context: ControlContext): Promise<void> {
  const live = await context.live.read();
  const nowMs = context.now();
  const rows = live.map(({ proxy_id, proxy_epoch }) => ({ proxy_id, live_at_ms: nowMs, live_epoch: proxy_epoch }));
  await context.store.transaction((tx) => tx.saveLiveProxies(rows));
}

async function advanceOne(
  context: ControlContext,
  input: { rebuild: CounterRebuildRow; spools: readonly SpoolRow[]; troubles: Map<string, string> },
): Promise<void> {
  const { rebuild, spools, troubles } = input;
  const { tenant, counter_epoch: epoch } = rebuild;
  try {
    if (rebuild.state === 'restoring') {
      if (await resumeRestored(context, rebuild)) return;
      return await beginRebuilds(context, [{ tenant, epoch, cause: 'broken_off' }]);
    }
    const marks = await context.store.transaction((tx) => tx.readMarks(rebuild));
    const nowMs = context.now();
    const waiting = listWaiting({ rebuild, spools, marks, nowMs });
    await noteWaiting(context, rebuild, waiting);
    if (waiting.length > 0 || nowMs - rebuild.opened_at_ms < soonestMs) return;
    await restoreTenant(context, rebuild);
    troubles.delete(tenant);
  } catch (error) {
    context.metrics.rebuildEnded('failed');
    const trouble = error instanceof Error ? error.message : 'unknown';
    if (troubles.get(tenant) === trouble) return;
    troubles.set(tenant, trouble);
    context.log.warn({ err: error, tenant }, 'the limit counters of a tenant could not be rebuilt yet; trying again');
  }
}

/** Keeps what is waited for, for `hoc doctor`, and puts a long wait on record, once a rebuild. */
async function noteWaiting(
  context: ControlContext,
  rebuild: CounterRebuildRow,
  waiting: readonly Waited[],
): Promise<void> {
  const text = JSON.stringify(waiting);
  const isLong = waiting.length > 0 && context.now() - rebuild.opened_at_ms > longWaitMs && !rebuild.wait_recorded;
  if (text === rebuild.waiting && !isLong) return;
  const { tenant } = rebuild;
  const proxies = waiting.map((one) => `${one.proxy}:${one.why}`).join(' ');
  await context.store.transaction(async (tx) => {
    const isOurs = await tx.updateRebuild(rebuild, { waiting: text, ...(isLong ? { wait_recorded: true } : {}) });
    if (!isOurs || !isLong) return;
    const act = {
      tenant,
      act: 'counters.wait',
      objectType: 'counters',
      objectId: tenant,
      before: null,
      after: null,
      facts: { proxies: proxies.slice(0, nameCharacters), count: waiting.length },
    };
    await appendAudit(tx, context, { principal: controlPrincipal, acts: [act] });
  });
  if (isLong)
    context.log.warn({ tenant, waiting }, 'the rebuild of limit counters waits for spools that cannot answer');
}

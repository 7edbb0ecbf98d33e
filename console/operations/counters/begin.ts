import type { CounterRebuildRow } from '../../../storage/schema/control.ts';
import type { Act } from '../audit.ts';
import { change } from '../change.ts';
import type { ControlContext } from '../context.ts';
import { controlPrincipal } from '../snapshot/prepare.ts';
import { causeWords, type InvalidCounters } from './invalid.ts';

const epochBytes = 16;
const shown = 20;

/**
 * Gives tenants whose counters are invalid a new counter epoch each, in one manifest, and opens their rebuilds. The
 * manifest is the command: each proxy that puts it in force marks its spool and reports what is open.
 *
 * A tenant that has another epoch by now is left alone: somebody was faster. A rebuild that is under way for the tenant
 * begins anew under the new epoch. Rejects, having changed nothing but the epoch keys, where an engine does not answer.
 */
export async function beginRebuilds(context: ControlContext, found: readonly InvalidCounters[]): Promise<void> {
  if (found.length === 0) return;
  // What still stands there must count no more, whatever proxies have the old epoch in force.
  for (const { tenant, epoch } of found) await context.counters.invalidate(tenant, epoch);
  const { result } = await change(context, controlPrincipal, async (tx) => {
    const acts: Act[] = [];
    for (const { tenant, epoch, cause } of found) {
      const row = await tx.readTenant(tenant);
      if (row === null || row.counter_epoch !== epoch) continue;
      const rebuild = makeRebuild(context, tenant, cause);
      await tx.updateTenant(tenant, { counter_epoch: rebuild.counter_epoch, counters_written: true });
      await tx.saveRebuild(rebuild);
      acts.push({
        tenant,
        act: 'counters.invalidate',
        objectType: 'counters',
        objectId: tenant,
        before: { counter_epoch: epoch },
        after: { counter_epoch: rebuild.counter_epoch },
        facts: { cause },
      });
    }
    return { result: acts.map((act) => act.tenant), acts, touched: [] };
  });
  if (result.length === 0) return;
  const causes = [...new Set(found.map((one) => causeWords[one.cause]))];
  context.log.error(
    { tenants: result.slice(0, shown), count: result.length, causes },
    'the limit counters of tenants are invalid and are rebuilt: until then their limits count Redis as down',
  );
}

function makeRebuild(context: ControlContext, tenant: string, cause: string): CounterRebuildRow {
  return {
    tenant,
    counter_epoch: context.randomHex(epochBytes),
    cause,
    state: 'waiting',
    opened_at_ms: context.now(),
    accepted: '[]',
    waiting: '[]',
    wait_recorded: false,
  };
}

import type { CounterRebuildRow, SpoolRow } from '../../../storage/schema/control.ts';
import type { ControlContext } from '../context.ts';
import { readReport, type Waited } from './waiting.ts';

/** What is known of counters and spools, without asking Redis. */
export interface CounterHealth {
  /** Tenants whose counters can be in use, by slug. */
  tenants: readonly string[];
  rebuilds: readonly CounterRebuildRow[];
  spools: readonly SpoolRow[];
}

/** Reads it from Postgres. */
export async function readCounterHealth(context: ControlContext): Promise<CounterHealth> {
  return context.store.transaction(async (tx) => ({
    tenants: (await tx.readTenants()).filter((row) => row.state !== 'terminated').map((row) => row.slug),
    rebuilds: await tx.readRebuilds(),
    spools: await tx.readSpools(),
  }));
}

/** What a rebuild waits for, as it was last seen. */
export function readWaiting(rebuild: CounterRebuildRow): readonly Waited[] {
  return JSON.parse(rebuild.waiting) as readonly Waited[];
}

/** Shows counters, rebuilds and spools in the metrics; every control does, whichever of them rebuilds. */
export async function showCounterHealth(context: ControlContext): Promise<void> {
  const { tenants, rebuilds, spools } = await readCounterHealth(context);
  const invalid = new Set(rebuilds.map((rebuild) => rebuild.tenant));
  context.metrics.countersInvalid(invalid.size);
  context.metrics.countersSeen(tenants.map((tenant) => ({ tenant, valid: !invalid.has(tenant) })));
  const waited = new Map<string, number>();
  for (const { proxy } of rebuilds.flatMap(readWaiting)) waited.set(proxy, (waited.get(proxy) ?? 0) + 1);
  context.metrics.rebuildsWait(waited);
  const nowMs = context.now();
  context.metrics.spoolsSeen(
    spools.flatMap((spool) => {
      const report = readReport(spool);
      return report === null ? [] : [{ report, ageMs: nowMs - (spool.reported_at_ms ?? nowMs) }];
    }),
  );
}

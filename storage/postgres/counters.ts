import { sql } from 'kysely';
import type { CounterMarkRow, CounterRebuildRow, SpoolRow } from '../schema/control.ts';
import type { Executor } from './connect.ts';

/** Every spool that a shipper or a proxy ever told of and that was not forgotten, by proxy. */
export async function readSpools(db: Executor): Promise<SpoolRow[]> {
  return db.selectFrom('spools').selectAll().orderBy('proxy_id').execute();
}

/** Stores the last report of a spool. */
export async function saveSpoolReport(
  db: Executor,
  row: { proxy_id: string; report: string; reported_at_ms: number },
): Promise<void> {
  const { proxy_id: _id, ...set } = row;
  await db
    .insertInto('spools')
    .values({ ...row, known_at_ms: row.reported_at_ms, live_at_ms: null, live_epoch: null })
    .onConflict((clash) => clash.column('proxy_id').doUpdateSet(set))
    .execute();
}

/** Notes that proxies live and write their spools. */
export async function saveLiveProxies(
  db: Executor,
  rows: readonly { proxy_id: string; live_at_ms: number; live_epoch: number }[],
): Promise<void> {
  if (rows.length === 0) return;
  await db
    .insertInto('spools')
    .values(rows.map((row) => ({ ...row, known_at_ms: row.live_at_ms, report: null, reported_at_ms: null })))
    .onConflict((clash) =>
      clash.column('proxy_id').doUpdateSet((is) => ({
        live_at_ms: is.ref('excluded.live_at_ms'),
        live_epoch: is.ref('excluded.live_epoch'),
      })),
    )
    .execute();
}

/** Forgets a spool; the next report of its shipper, or sign of life of its proxy, makes it known again. */
export async function deleteSpool(db: Executor, proxyId: string): Promise<void> {
  await db.deleteFrom('spools').where('proxy_id', '=', proxyId).execute();
}

/** Rebuilds that are under way, by tenant. */
export async function readRebuilds(db: Executor): Promise<CounterRebuildRow[]> {
  return db.selectFrom('counter_rebuilds').selectAll().orderBy('tenant').execute();
}

/** Begins a rebuild; one that is under way for the tenant is given up for it, with its marks. */
export async function saveRebuild(db: Executor, row: CounterRebuildRow): Promise<void> {
  const { tenant, ...set } = row;
  await db.deleteFrom('counter_marks').where('tenant', '=', tenant).execute();
  await db
    .insertInto('counter_rebuilds')
    .values(row)
    .onConflict((clash) => clash.column('tenant').doUpdateSet(set))
    .execute();
}

/** Changes a rebuild that is still under way for that epoch; false where it is not any more. */
export async function updateRebuild(
  db: Executor,
  rebuild: { tenant: string; counter_epoch: string },
  set: Partial<Pick<CounterRebuildRow, 'state' | 'accepted' | 'waiting' | 'wait_recorded'>>,
): Promise<boolean> {
  const changed = await db
    .updateTable('counter_rebuilds')
    .set(set)
    .where('tenant', '=', rebuild.tenant)
    .where('counter_epoch', '=', rebuild.counter_epoch)
    .returning('tenant')
    .execute();
  return changed.length > 0;
}

/** Ends a rebuild and forgets its marks; false where it was not under way for that epoch any more. */
export async function deleteRebuild(
  db: Executor,
  rebuild: { tenant: string; counter_epoch: string },
): Promise<boolean> {
  const ended = await db
    .deleteFrom('counter_rebuilds')
    .where('tenant', '=', rebuild.tenant)
    .where('counter_epoch', '=', rebuild.counter_epoch)
    .returning('tenant')
    .execute();
  if (ended.length > 0) await db.deleteFrom('counter_marks').where('tenant', '=', rebuild.tenant).execute();
  return ended.length > 0;
}

/** Stores where a proxy epoch marked its spool; the same mark again changes nothing. */
export async function saveMark(db: Executor, row: CounterMarkRow): Promise<void> {
  await db
    .insertInto('counter_marks')
    .values(row)
    .onConflict((clash) => clash.columns(['tenant', 'counter_epoch', 'proxy_id', 'proxy_epoch']).doNothing())
    .execute();
}

/** Marks of a rebuild, by proxy and epoch. */
export async function readMarks(
  db: Executor,
  rebuild: { tenant: string; counter_epoch: string },
): Promise<CounterMarkRow[]> {
  return db
    .selectFrom('counter_marks')
    .selectAll()
    .where('tenant', '=', rebuild.tenant)
    .where('counter_epoch', '=', rebuild.counter_epoch)
    .orderBy('proxy_id')
    .orderBy('proxy_epoch')
    .execute();
}

/**
 * Takes a lease for `ttlMs`, or renews it, unless another holder has it; tells whether it is ours now. The time is the
 * database's, so that the clocks of those who ask do not matter, and a holder that was stopped loses it.
 */
export async function takeLease(
  db: Executor,
  lease: { name: string; holder: string; ttlMs: number },
): Promise<boolean> {
  const now = sql<number>`floor(extract(epoch from clock_timestamp()) * 1000)::bigint`;
  const until = sql<number>`${now} + ${lease.ttlMs}::bigint`;
  const taken = await db
    .insertInto('leases')
    .values({ name: lease.name, holder: lease.holder, until_ms: until })
    .onConflict((clash) =>
      clash
        .column('name')
        .doUpdateSet({ holder: lease.holder, until_ms: until })
        .where((is) => is.or([is('leases.holder', '=', lease.holder), is('leases.until_ms', '<', now)])),
    )
    .returning('name')
    .execute();
  return taken.length > 0;
}

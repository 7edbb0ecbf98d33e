import { sql } from 'kysely';
import type { LimitRow, PolicyRow, PolicyState } from '../schema/control.ts';
import type { Executor } from './connect.ts';

/** Adds a policy version. Versions are never edited or deleted; the database refuses both. */
export async function insertPolicy(db: Executor, row: PolicyRow): Promise<void> {
  await db.insertInto('policies').values(row).execute();
}

/** Moves one policy version to another state. */
export async function updatePolicyState(
  db: Executor,
  version: { tenant: string; id: string; version: number },
  state: PolicyState,
): Promise<void> {
  await db
    .updateTable('policies')
    .set({ state })
    .where('tenant', '=', version.tenant)
    .where('id', '=', version.id)
    .where('version', '=', version.version)
    .execute();
}

/** Adds a limit version. Versions are never edited or deleted; the database refuses both. */
export async function insertLimit(db: Executor, row: LimitRow): Promise<void> {
  await db.insertInto('limits').values(row).execute();
}

/** Moves one limit version to another state. */
export async function updateLimitState(
  db: Executor,
  version: { tenant: string; id: string; version: number },
  state: LimitRow['state'],
): Promise<void> {
  await db
    .updateTable('limits')
    .set({ state })
    .where('tenant', '=', version.tenant)
    .where('id', '=', version.id)
    .where('version', '=', version.version)
    .execute();
}

/** Highest version ever used by each policy of a tenant, retired ones included: the next one is one above. */
export async function readPolicyVersions(db: Executor, tenant: string): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom('policies')
    .select(['id', sql<number>`max(version)`.as('version')])
    .where('tenant', '=', tenant)
    .groupBy('id')
    .execute();
  return new Map(rows.map((row) => [row.id, row.version]));
}

/** The newest version of each limit that a tenant ever had, retired ones included; `ids` narrows them, null is all. */
export async function readNewestLimits(
  db: Executor,
  tenant: string,
  ids: readonly string[] | null,
): Promise<Map<string, LimitRow>> {
  const all = db.selectFrom('limits').selectAll().distinctOn('id').where('tenant', '=', tenant);
  const asked = ids === null ? all : all.where('id', 'in', [...ids]);
  if (ids?.length === 0) return new Map();
  const rows = await asked.orderBy('id').orderBy('version', 'desc').execute();
  return new Map(rows.map((row) => [row.id, row]));
}

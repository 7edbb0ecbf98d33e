import type { ApiKeyRow } from '../schema/control.ts';
import type { Executor } from './connect.ts';

/** The key of that public id, or null. */
export async function readKey(db: Executor, id: string): Promise<ApiKeyRow | null> {
  return (await db.selectFrom('api_keys').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
}

/** Keys of one tenant, or of all, revoked ones included, by creation. */
export async function readKeys(db: Executor, tenant: string | null): Promise<ApiKeyRow[]> {
  const all = db.selectFrom('api_keys').selectAll().orderBy('created_at_ms').orderBy('id');
  return tenant === null ? all.execute() : all.where('tenant', '=', tenant).execute();
}

/** Keys, in any tenant and state, whose secret has one of these keyed hashes. */
export async function readKeysByHash(db: Executor, hashes: readonly string[]): Promise<ApiKeyRow[]> {
  if (hashes.length === 0) return [];
  return db.selectFrom('api_keys').selectAll().where('hash', 'in', hashes).execute();
}

/** Adds a key; fails with a conflict where a live key of the tenant has its name or any live key has its secret. */
export async function insertKey(db: Executor, row: ApiKeyRow): Promise<void> {
  await db.insertInto('api_keys').values(row).execute();
}

/** Changes columns of a key. Its id, tenant and hash never change. */
export async function updateKey(
  db: Executor,
  id: string,
  set: Partial<Omit<ApiKeyRow, 'id' | 'tenant' | 'hash'>>,
): Promise<void> {
  await db.updateTable('api_keys').set(set).where('id', '=', id).execute();
}

/** Takes revoked keys of this secret out of snapshots and returns the tenants they were listed in. */
export async function unlistRevokedKeys(db: Executor, hash: string): Promise<string[]> {
  const rows = await db
    .updateTable('api_keys')
    .set({ listed: false })
    .where('hash', '=', hash)
    .where('state', '=', 'revoked')
    .where('listed', '=', true)
    .returning('tenant')
    .execute();
  return rows.map((row) => row.tenant);
}

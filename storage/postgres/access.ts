import { sql } from 'kysely';
import type { NodeRow, ServiceTokenRow, SettingRow } from '../schema/control.ts';
import type { Executor } from './connect.ts';

/** The enrolled node of that token hash, unless it was revoked; null for none. */
export async function readNodeByToken(db: Executor, tokenHash: string): Promise<NodeRow | null> {
  const found = db
    .selectFrom('nodes')
    .selectAll()
    .where('token_hash', '=', tokenHash)
    .where('revoked_at_ms', 'is', null);
  return (await found.executeTakeFirst()) ?? null;
}

/** The node of that name in any state, or null. */
export async function readNodeByName(db: Executor, name: string): Promise<NodeRow | null> {
  return (await db.selectFrom('nodes').selectAll().where('name', '=', name).executeTakeFirst()) ?? null;
}

/** Enrols a node, or gives the node of that name a new key and token. */
export async function saveNode(db: Executor, row: NodeRow): Promise<void> {
  const { id: _id, name: _name, ...set } = row;
  await db
    .insertInto('nodes')
    .values(row)
    .onConflict((clash) => clash.column('name').doUpdateSet(set))
    .execute();
}

/** How many nodes are enrolled and not revoked. */
export async function countNodes(db: Executor): Promise<number> {
  const count = sql<number>`count(*)`.as('count');
  const row = await db.selectFrom('nodes').select(count).where('revoked_at_ms', 'is', null).executeTakeFirstOrThrow();
  return row.count;
}

/** The service token of that hash, unless it was revoked; null for none. Expiry is the caller's to judge. */
export async function readServiceToken(db: Executor, tokenHash: string): Promise<ServiceTokenRow | null> {
  const found = db.selectFrom('service_tokens').selectAll();
  return (
    (await found.where('token_hash', '=', tokenHash).where('revoked_at_ms', 'is', null).executeTakeFirst()) ?? null
  );
}

/** Adds a service token unless one of that hash exists; tells whether it was added. */
export async function insertServiceToken(db: Executor, row: ServiceTokenRow): Promise<boolean> {
  const added = await db
    .insertInto('service_tokens')
    .values(row)
    .onConflict((clash) => clash.column('token_hash').doNothing())
    .returning('id')
    .execute();
  return added.length > 0;
}

/** The value of a setting, or null. */
export async function readSetting(db: Executor, name: string): Promise<string | null> {
  const row = await db.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst();
  return row?.value ?? null;
}

/** Adds or replaces a setting. */
export async function saveSetting(db: Executor, row: SettingRow): Promise<void> {
  await db
    .insertInto('settings')
    .values(row)
    .onConflict((clash) => clash.column('name').doUpdateSet({ value: row.value }))
    .execute();
}

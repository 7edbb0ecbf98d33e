import { sql } from 'kysely';
import type { CredentialRow } from '../schema/control.ts';
import type { Executor } from './connect.ts';

/** Every credential version that still has its envelope, of tenants that are not terminated, by id and version. */
export async function readLiveCredentials(db: Executor): Promise<CredentialRow[]> {
  return db
    .selectFrom('credentials')
    .innerJoin('tenants', 'tenants.slug', 'credentials.tenant')
    .selectAll('credentials')
    .where('credentials.envelope', 'is not', null)
    .where('tenants.state', '<>', 'terminated')
    .orderBy('credentials.id')
    .orderBy('credentials.version')
    .execute();
}

/** Adds one version of a credential; fails with a conflict where it exists. */
export async function insertCredential(db: Executor, row: CredentialRow): Promise<void> {
  await db.insertInto('credentials').values(row).execute();
}

/** Wipes the envelopes of all versions of a credential below `version`; the rows stay as a trace. */
export async function wipeCredentialsBelow(db: Executor, id: string, version: number): Promise<void> {
  await db
    .updateTable('credentials')
    .set({ envelope: null })
    .where('id', '=', id)
    .where('version', '<', version)
    .execute();
}

/** The highest version ever given to a provider's credential, with its id; null where it never had one. */
export async function readLatestCredential(
  db: Executor,
  tenant: string,
  provider: string,
): Promise<{ id: string; version: number } | null> {
  const row = await db
    .selectFrom('credentials')
    .select(['id', sql<number>`max(version)`.as('version')])
    .where('tenant', '=', tenant)
    .where('provider', '=', provider)
    .groupBy('id')
    .executeTakeFirst();
  return row ?? null;
}

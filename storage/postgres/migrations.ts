import { type Kysely, type Migration, type MigrationProvider, Migrator, sql } from 'kysely';
import { HocError } from '../schema/errors.ts';
import type { ControlDatabase } from './connect.ts';
import { controlState } from './migrations/0001-control-state.ts';
import { counters } from './migrations/0002-counters.ts';
import { tenantSettings } from './migrations/0003-tenant-settings.ts';
import { acknowledgements } from './migrations/0004-acknowledgements.ts';
import { snapshots } from './migrations/0005-snapshots.ts';

/** Ordered by name; a migration that has been released is never edited. */
const migrations: Readonly<Record<string, Migration>> = {
  '0001-control-state': statements(controlState),
  '0002-counters': statements(counters),
  '0003-tenant-settings': statements(tenantSettings),
  '0004-acknowledgements': statements(acknowledgements),
  '0005-snapshots': statements(snapshots),
};

function statements(list: readonly string[]): Migration {
  return {
    up: async (db: Kysely<unknown>) => {
      for (const statement of list) await sql.raw(statement).execute(db);
    },
  };
}

const provider: MigrationProvider = { getMigrations: async () => ({ ...migrations }) };

/**
 * Brings the database to the newest schema and returns the names of the migrations that ran, in order.
 *
 * All of them run in one transaction under Kysely's lock, so that two callers never interleave and a failure leaves the
 * database as it was. Throws `internal` with the migration's name where one fails.
 */
export async function migratePostgres(db: ControlDatabase): Promise<string[]> {
  const { error, results } = await new Migrator({ db, provider }).migrateToLatest();
  if (error !== undefined) {
    const failed = results?.find((result) => result.status === 'Error')?.migrationName ?? 'none';
    throw new HocError({ code: 'internal', publicMessage: `PostgreSQL migration failed at: ${failed}`, cause: error });
  }
  return (results ?? []).map((result) => result.migrationName);
}

/** Names of the migrations that have not run on this database, in order. Creates Kysely's own tables where missing. */
export async function readPendingMigrations(db: ControlDatabase): Promise<string[]> {
  const all = await new Migrator({ db, provider }).getMigrations();
  return all.filter((migration) => migration.executedAt === undefined).map((migration) => migration.name);
}

const migrationLock = 4_706_071;

/**
 * Runs `work` while holding the installation's migration lock, a session-level advisory lock, on a connection of its
 * own. Waits for whoever holds it. The lock ends with the connection, so a killed migration never keeps it.
 */
export async function withMigrationLock<T>(db: ControlDatabase, work: () => Promise<T>): Promise<T> {
  return db.connection().execute(async (connection) => {
    await sql`set statement_timeout = 0`.execute(connection);
    await sql`select pg_advisory_lock(${migrationLock})`.execute(connection);
    try {
      return await work();
    } finally {
      await sql`select pg_advisory_unlock(${migrationLock})`.execute(connection);
      await sql`reset statement_timeout`.execute(connection);
    }
  });
}

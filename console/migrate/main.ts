import { connectClickHouse, migrateClickHouse } from '../../storage/clickhouse/index.ts';
import { convertPostgresError } from '../../storage/postgres/errors.ts';
import { connectPostgres, migratePostgres, withMigrationLock } from '../../storage/postgres/index.ts';
import { readEnvironment, type Variables } from '../../storage/process/environment.ts';

/** Names of the migrations that ran, by engine, in order. */
export interface MigrationsRun {
  postgres: readonly string[];
  clickhouse: readonly string[];
}

/**
 * Brings Postgres and then ClickHouse (`DATABASE_URL`, `CLICKHOUSE_URL`) to this version's schema, and prints what ran as
 * one JSON line. One lock in Postgres covers both: a second caller waits and then finds nothing to do. Throws HocError
 * where an engine does not answer or a migration fails; what had run stays.
 */
export async function runMigrate(env: Variables): Promise<MigrationsRun> {
  const settings = readEnvironment(env).all(['DATABASE_URL', 'CLICKHOUSE_URL']);
  const db = connectPostgres(settings.DATABASE_URL);
  const clickhouse = connectClickHouse(settings.CLICKHOUSE_URL);
  try {
    const ran = await withMigrationLock(db, async () => ({
      postgres: await migratePostgres(db),
      clickhouse: await migrateClickHouse(clickhouse),
    }));
    process.stdout.write(`${JSON.stringify({ migrated: ran })}\n`);
    return ran;
  } catch (error) {
    throw convertPostgresError(error);
  } finally {
    await clickhouse.close();
    await db.destroy();
  }
}

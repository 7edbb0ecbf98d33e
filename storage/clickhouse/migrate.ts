import type { ClickHouse } from './connection.ts';
import { guard } from './failure.ts';
import { migrations } from './migrations.ts';
import { selectRows } from './select.ts';

const ledger = `
CREATE TABLE IF NOT EXISTS hoc_migrations (
  id String,
  applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`;

/**
 * Brings the schema up to date and says which steps ran, in order; none where all had run.
 *
 * The caller holds the migration lock. A step is recorded after its last statement, and its statements can run twice, so
 * a process that dies in between is made good by the next run. Rejects with HocError `engine_unavailable`.
 */
export async function migrateClickHouse(ch: ClickHouse): Promise<string[]> {
  await command(ch, ledger);
  const done: string[] = [];
  for (const id of await readPendingMigrations(ch)) {
    const step = migrations.find((migration) => migration.id === id);
    for (const statement of step?.statements ?? []) await command(ch, statement);
    const query_params = { id };
    await guard(ch, () =>
      ch.client.command({ query: 'INSERT INTO hoc_migrations (id) SELECT {id:String}', query_params }),
    );
    done.push(id);
  }
  return done;
}

/** Steps that have not run, in order: all of them on an empty database. Rejects with HocError `engine_unavailable`. */
export async function readPendingMigrations(ch: ClickHouse): Promise<string[]> {
  const [ledgers] = await selectRows(ch, {
    sql: "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'hoc_migrations'",
  });
  const applied =
    Number(ledgers?.[0]) === 0 ? [] : await selectRows(ch, { sql: 'SELECT DISTINCT id FROM hoc_migrations' });
  const known = new Set(applied.map(([id]) => id));
  return migrations.map((migration) => migration.id).filter((id) => !known.has(id));
}

async function command(ch: ClickHouse, query: string): Promise<void> {
  await guard(ch, () => ch.client.command({ query }));
}

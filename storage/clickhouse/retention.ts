import type { ClickHouse } from './connection.ts';
import { guard } from './failure.ts';
import { quoteName, selectRows } from './select.ts';

/** Tables whose rows can expire, with the instant that a row's age counts from. */
const expiring = {
  runs: 'started_at',
  records: 'at_ms',
  payloads: 'received_at',
  rollup_minutes: 'at',
  rollup_days: 'at',
} as const;
export type RetainedTable = keyof typeof expiring;
export const retainedTables = Object.keys(expiring) as readonly RetainedTable[];

function expiry(table: RetainedTable, days: number): string {
  return `toDateTime(${expiring[table]}) + toIntervalDay(${days})`;
}

/**
 * Sets after how many days the rows of a table expire, 0 for never, and says whether that changed anything. Only the
 * table's description changes: no part is rewritten for it, and parts from before follow by `renewExpiry`. Expired rows
 * leave with the engine's own merges, within about a day. Rejects with HocError `engine_unavailable`.
 */
export async function setRetention(ch: ClickHouse, table: RetainedTable, days: number): Promise<boolean> {
  const wanted = days === 0 ? null : expiry(table, days);
  const [row] = await selectRows(ch, {
    sql: `SELECT ${expiryOf} FROM system.tables WHERE database = currentDatabase() AND name = {table:String}`,
    parameters: { table },
  });
  const current = String(row?.[0] ?? '') || null;
  if (current === wanted) return false;
  await command(
    ch,
    wanted === null
      ? `ALTER TABLE ${table} REMOVE TTL`
      : `ALTER TABLE ${table} MODIFY TTL ${wanted} SETTINGS materialize_ttl_after_modify = 0`,
  );
  return true;
}

const expiryOf = "extract(engine_full, ' TTL (.+?)(?: SETTINGS |$)')";

/**
 * Has one partition whose parts know another expiry than the table's brought up to date, and says which; null where there
 * is none, or where the engine still works on the last one. The engine reads one column of that partition for it and
 * rewrites no row. Rejects with HocError `engine_unavailable`.
 */
export async function renewExpiry(ch: ClickHouse, table: RetainedTable, days: number): Promise<string | null> {
  if (days === 0) return null;
  const [busy] = await selectRows(ch, {
    sql: `SELECT count() FROM system.mutations
      WHERE database = currentDatabase() AND table = {table:String} AND NOT is_done`,
    parameters: { table },
  });
  if (Number(busy?.[0]) > 0) return null;
  const [row] = await selectRows(ch, {
    sql: `SELECT parts.partition_id FROM (
        SELECT name, partition_id, toUnixTimestamp(delete_ttl_info_max) AS known FROM system.parts
        WHERE database = currentDatabase() AND table = {table:String} AND active
      ) AS parts
      INNER JOIN (
        SELECT _part AS name, toUnixTimestamp(max(${expiry(table, days)})) AS wanted FROM ${table} GROUP BY name
      ) AS stored ON parts.name = stored.name
      WHERE parts.known != stored.wanted ORDER BY parts.partition_id LIMIT 1`,
    parameters: { table },
    batch: true,
  });
  if (row === undefined) return null;
  const partition = String(row[0]);
  await command(ch, `ALTER TABLE ${table} MATERIALIZE TTL IN PARTITION ID {partition:String}`, { partition });
  return partition;
}

/** The log tables that ClickHouse keeps of itself; a server with other columns leaves an older one behind as `..._0`. */
const ownLogs = "database = 'system' AND engine LIKE '%MergeTree%' AND match(name, '_log(_[0-9]+)?$')";

/**
 * Bounds what ClickHouse keeps of itself to `days`: sets an expiry on each of its log tables that there is by now, and
 * drops partitions that are older as a whole. Answers the tables it changed. Rejects with HocError `engine_unavailable`,
 * also where this user may not change them.
 */
export async function setSystemRetention(ch: ClickHouse, days: number): Promise<string[]> {
  const wanted = `event_date + toIntervalDay(${days})`;
  const tables = await selectRows(ch, {
    sql: `SELECT name FROM system.tables WHERE ${ownLogs} AND ${expiryOf} != {wanted:String} ORDER BY name`,
    parameters: { wanted },
  });
  const names = tables.map(([name]) => String(name));
  for (const name of names) {
    await command(
      ch,
      `ALTER TABLE system.${quoteName(name)} MODIFY TTL ${wanted} SETTINGS materialize_ttl_after_modify = 0`,
    );
  }
  const old = await selectRows(ch, {
    sql: `SELECT table, partition_id FROM system.parts
      WHERE database = 'system' AND active AND match(table, '_log(_[0-9]+)?$') AND max_date > toDate(0)
      GROUP BY table, partition_id HAVING max(max_date) < today() - {days:UInt32}`,
    parameters: { days },
  });
  for (const [table, partition] of old) {
    await command(ch, `ALTER TABLE system.${quoteName(String(table))} DROP PARTITION ID {partition:String}`, {
      partition,
    });
  }
  return names;
}

async function command(ch: ClickHouse, query: string, query_params: Record<string, unknown> = {}): Promise<void> {
  await guard(ch, () => ch.client.command({ query, query_params }));
}

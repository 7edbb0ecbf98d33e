import type { ClickHouse } from './connection.ts';
import { guard } from './failure.ts';
import { rollupDimensions, rollupMeasures } from './rollup-columns.ts';
import { selectRows } from './select.ts';

/** Minutes of one statement: bounds what the engine holds while it sorts out versions. */
const minutesAtOnce = 60;
const dayMinutes = 1440;
/** Days of one statement: a busy day has a million groups. */
const daysAtOnce = 4;

const dimensions = rollupDimensions.map(({ name }) => name);
const minuteOf = 'intDiv(toUnixTimestamp64Milli(started_at), 60000)';
// Of a run's versions the intent can never stand where another is there: queries drop it before versions are compared.
const startedWithin = `started_at >= fromUnixTimestamp64Milli({from_ms:Int64})
  AND started_at < fromUnixTimestamp64Milli({to_ms:Int64})`;

// An alias that is a column's name would stand for the aggregate inside the other aggregates, so figures have a prefix.
const ofRuns = rollupMeasures.map(({ name, ofRuns }) => `${ofRuns} AS figure_${name}`);
const ofGroups = rollupMeasures.map(
  ({ name, ofGroups }) => `${ofGroups.replace('{}', `each.${name}`)} AS figure_${name}`,
);
const figures = rollupMeasures.map(({ name }) => `figure_${name}`);
const group = `groupArray(tuple(${[...dimensions, ...figures].join(', ')}))`;

/** Batches of runs that are stored and not yet in the rollups, with the minutes since 1970 that they touch. */
export interface RunTouch {
  batchId: string;
  minutes: readonly number[];
}

/** Reads what waits for the rollups, oldest first, `limit` batches at most. Rejects with HocError `engine_unavailable`. */
export async function readRunTouches(ch: ClickHouse, limit: number): Promise<RunTouch[]> {
  const rows = await selectRows(ch, {
    sql: 'SELECT batch_id, minutes FROM run_touches FINAL WHERE done = 0 ORDER BY at, batch_id LIMIT {limit:UInt32}',
    parameters: { limit },
  });
  return rows.map(([batchId, minutes]) => ({
    batchId: String(batchId),
    minutes: (minutes as readonly unknown[]).map(Number),
  }));
}

/**
 * Computes the rollups of whole minutes anew from all ended runs that began in them, each in the version that stands.
 *
 * A minute's coverage is the sum of its runs' versions: it grows with every run and every correction that arrives, so of
 * several results for one minute the one that saw most stands, in whatever order and by whomever they are written. What
 * was computed twice is the same row twice. Rejects with HocError `engine_unavailable`.
 */
export async function computeRollupMinutes(ch: ClickHouse, minutes: readonly number[]): Promise<void> {
  const sorted = [...new Set(minutes)].sort((a, b) => a - b);
  for (let at = 0; at < sorted.length; at += minutesAtOnce) {
    const some = sorted.slice(at, at + minutesAtOnce);
    await command(
      ch,
      `INSERT INTO rollup_minutes (tenant, at, coverage, groups)
      SELECT tenant, toDateTime(minute * 60, 'UTC'), sum(part_coverage), ${group}
      FROM (
        SELECT tenant, ${minuteOf} AS minute, ${dimensions.join(', ')}, sum(version) AS part_coverage, ${ofRuns.join(', ')}
        FROM runs FINAL
        PREWHERE version >= 2
        WHERE ${startedWithin} AND ${minuteOf} IN {minutes:Array(Int64)}
        GROUP BY tenant, minute, ${dimensions.join(', ')}
      )
      GROUP BY tenant, minute`,
      { minutes: some, from_ms: (some[0] ?? 0) * 60_000, to_ms: ((some.at(-1) ?? 0) + 1) * 60_000 },
    );
  }
}

/**
 * Computes the days of these minutes anew from the minutes that stand, for each tenant whose minutes cover another sum
 * than its day does. Rejects with HocError `engine_unavailable`.
 */
export async function computeRollupDays(ch: ClickHouse, minutes: readonly number[]): Promise<void> {
  const days = [...new Set(minutes.map((minute) => Math.floor(minute / dayMinutes)))].sort((a, b) => a - b);
  for (let at = 0; at < days.length; at += daysAtOnce) {
    const some = days.slice(at, at + daysAtOnce);
    await command(
      ch,
      `INSERT INTO rollup_days (tenant, at, coverage, groups)
      WITH stale AS (
        SELECT tenant, ${dayOf} AS day FROM rollup_minutes FINAL WHERE ${withinDays} GROUP BY tenant, day
        HAVING (tenant, day, sum(coverage)) NOT IN (
          SELECT tenant, ${dayOf}, coverage FROM rollup_days FINAL WHERE ${withinDays}
        )
      )
      SELECT tenant, toDateTime(day * 86400, 'UTC'), sum(part_coverage), ${group}
      FROM (
        SELECT tenant, day, ${dimensions.map((name) => `each.${name} AS ${name}`).join(', ')},
          sum(if(first, coverage, 0)) AS part_coverage, ${ofGroups.join(', ')}
        FROM (
          SELECT tenant, ${dayOf} AS day, coverage, groups FROM rollup_minutes FINAL
          WHERE ${withinDays} AND (tenant, day) IN (SELECT tenant, day FROM stale)
        )
        ARRAY JOIN groups AS each, arrayMap(place -> place = 1, arrayEnumerate(groups)) AS first
        GROUP BY tenant, day, ${dimensions.join(', ')}
      )
      GROUP BY tenant, day`,
      { days: some, from: (some[0] ?? 0) * 86_400, to: ((some.at(-1) ?? 0) + 1) * 86_400 },
    );
  }
}

const dayOf = 'intDiv(toUnixTimestamp(at), 86400)';
const withinDays = `at >= toDateTime({from:Int64}, 'UTC') AND at < toDateTime({to:Int64}, 'UTC')
  AND ${dayOf} IN {days:Array(Int64)}`;

/** Says that the rollups hold these batches. Rejects with HocError `engine_unavailable`. */
export async function markRunTouches(ch: ClickHouse, touches: readonly RunTouch[]): Promise<void> {
  if (touches.length === 0) return;
  await command(
    ch,
    'INSERT INTO run_touches (batch_id, done, minutes) SELECT arrayJoin({ids:Array(String)}), 1, emptyArrayUInt32()',
    { ids: touches.map((touch) => touch.batchId) },
  );
}

/**
 * Unix ms, by the engine's clock, up to which all stored runs are in the rollups: now, or when the oldest batch that
 * waits was stored. Rejects with HocError `engine_unavailable`.
 */
export async function readRollupsFreshness(ch: ClickHouse): Promise<{ freshAtMs: number; nowMs: number }> {
  const [row] = await selectRows(ch, {
    sql: `SELECT toUnixTimestamp64Milli(now64(3) AS now), toUnixTimestamp64Milli(ifNull(minOrNull(at), now))
      FROM run_touches FINAL WHERE done = 0`,
  });
  const nowMs = Number(row?.[0] ?? 0);
  return { freshAtMs: Number(row?.[1] ?? 0), nowMs };
}

/**
 * Compares runs and rollups of a stretch of time and has every minute touched whose rollup covers less than its runs:
 * whatever a touch was lost for is made good here. Answers how many minutes. Rejects with HocError `engine_unavailable`.
 */
export async function touchUncoveredMinutes(ch: ClickHouse, range: { fromMs: number; toMs: number }): Promise<number> {
  const parameters = { from_ms: range.fromMs, to_ms: range.toMs };
  const rows = await selectRows(ch, {
    sql: `SELECT DISTINCT minute FROM (
        SELECT tenant, ${minuteOf} AS minute, sum(version) AS coverage FROM runs FINAL
        PREWHERE version >= 2 WHERE ${startedWithin} GROUP BY tenant, minute
      ) AS stored
      LEFT JOIN (
        SELECT tenant, intDiv(toUnixTimestamp(at), 60) AS minute, coverage FROM rollup_minutes FINAL
        WHERE at >= toDateTime(intDiv({from_ms:Int64}, 60000) * 60, 'UTC') AND at < toDateTime(intDiv({to_ms:Int64}, 1000), 'UTC')
      ) AS computed ON stored.tenant = computed.tenant AND stored.minute = computed.minute
      WHERE stored.coverage > computed.coverage ORDER BY minute`,
    parameters,
    batch: true,
  });
  const minutes = rows.map(([minute]) => Number(minute));
  if (minutes.length === 0) return 0;
  const sql = `INSERT INTO run_touches (batch_id, done, minutes)
    SELECT concat('uncovered-', toString(generateUUIDv7())), 0, {minutes:Array(UInt32)}`;
  await command(ch, sql, { minutes });
  return minutes.length;
}

async function command(ch: ClickHouse, query: string, query_params: Record<string, unknown>): Promise<void> {
  await guard(ch, () => ch.client.command({ query, query_params }));
}

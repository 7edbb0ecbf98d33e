import { HocError } from '../schema/errors.ts';
import type { TenantScope } from '../schema/scope.ts';
import type { ClickHouse } from './connection.ts';
import { latencyBoundsMs, rollupDimensions, rollupMeasures } from './rollup-columns.ts';
import { type SelectedRow, scopeCondition, selectRows } from './select.ts';

export interface RollupQuery {
  grain: 'minute' | 'day';
  /** Unix ms. Minutes (days) that begin at or after `fromMs` and before `toMs`, UTC. */
  fromMs: number;
  toMs: number;
  /** One row for each minute (day), or one over all of them. */
  each: 'time' | 'whole';
  /** `tenant`, or columns that runs are grouped by; none for one row. */
  by: readonly string[];
  /** Values that these columns must have. */
  filter?: Readonly<Record<string, string>>;
}

/** Sums over the runs of one group. Money is nano-USD, times are microseconds. */
export interface RollupRow {
  /** Start of the minute or day, Unix ms; null over the whole. */
  atMs: number | null;
  by: Readonly<Record<string, string | null>>;
  figures: Readonly<Record<string, bigint>>;
  /** How many runs took at most `latencyBoundsMs[i]`. */
  latencyAtMost: readonly bigint[];
  ttftAtMost: readonly bigint[];
}

export { latencyBoundsMs };

const histograms = ['latency_le', 'ttft_le'];
const sums = rollupMeasures.filter(({ name }) => !histograms.includes(name));

/**
 * Reads rollups, ordered by time and group. They hold what was stored up to `readRollupsFreshness`. Rejects with HocError
 * `input_invalid` for an unknown column, and `engine_unavailable`.
 */
export async function readRollup(ch: ClickHouse, scope: TenantScope, query: RollupQuery): Promise<RollupRow[]> {
  const { condition, parameters } = scopeCondition(scope);
  const filters = Object.entries(query.filter ?? {});
  const by = query.by.map((name) => `${checked(name)} AS by_${name}`);
  const time = query.each === 'time' ? ['toInt64(toUnixTimestamp(at)) * 1000 AS at_ms'] : [];
  const groups = [...time.map(() => 'at_ms'), ...query.by.map((name) => `by_${name}`)];
  const figures = [...sums, ...rollupMeasures.filter(({ name }) => histograms.includes(name))];
  const conditions = [
    condition,
    "at >= toDateTime(intDiv({from_ms:Int64} + 999, 1000), 'UTC')",
    "at < toDateTime(intDiv({to_ms:Int64} + 999, 1000), 'UTC')",
    ...filters.map(([name]) => `${checked(name)} = {filter_${name}:String}`),
  ];
  const rows = await selectRows(ch, {
    sql: `SELECT ${[...time, ...by, ...figures.map(({ name, ofGroups }) => `${ofGroups.replace('{}', `each.${name}`)} AS figure_${name}`)].join(', ')}
      FROM (SELECT * FROM rollup_${query.grain === 'day' ? 'days' : 'minutes'} FINAL) ARRAY JOIN groups AS each
      WHERE ${conditions.join(' AND ')}
      ${groups.length === 0 ? 'HAVING count() > 0' : `GROUP BY ${groups.join(', ')} ORDER BY ${groups.join(', ')}`}`,
    parameters: {
      ...parameters,
      from_ms: query.fromMs,
      to_ms: query.toMs,
      ...Object.fromEntries(filters.map(([name, value]) => [`filter_${name}`, value])),
    },
  });
  return rows.map((row) => readRow(query, row));
}

function checked(name: string): string {
  if (name === 'tenant') return 'tenant';
  const known = rollupDimensions.find((dimension) => dimension.name === name);
  if (known !== undefined) return `each.${known.name}`;
  const names = ['tenant', ...rollupDimensions.map((dimension) => dimension.name)].join(', ');
  throw new HocError({ code: 'input_invalid', publicMessage: `Rollups know no such column; use ${names}` });
}

function readRow(query: RollupQuery, row: SelectedRow): RollupRow {
  let at = 0;
  const next = (): unknown => row[at++];
  const atMs = query.each === 'time' ? Number(next()) : null;
  const by = Object.fromEntries(
    query.by.map((name) => {
      const value = next();
      return [name, value === null ? null : String(value)] as const;
    }),
  );
  const figures = Object.fromEntries(sums.map(({ name }) => [name, BigInt(String(next()))] as const));
  const counts = (): bigint[] => (next() as readonly unknown[]).map((value) => BigInt(String(value)));
  return { atMs, by, figures, latencyAtMost: counts(), ttftAtMost: counts() };
}

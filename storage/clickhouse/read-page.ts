import { HocError } from '../schema/errors.ts';
import type { RunRow } from '../schema/run.ts';
import type { TenantScope } from '../schema/scope.ts';
import type { ClickHouse } from './connection.ts';
import { readShownRun, shownRunSelect } from './run-columns.ts';
import { scopeCondition, selectRows } from './select.ts';

const filterColumns = [
  'status',
  'outcome',
  'verdict',
  'provider',
  'model',
  'key_id',
  'session_id',
  'actor_id',
  'sub_tenant',
] as const;
export type RunFilter = Readonly<Partial<Record<(typeof filterColumns)[number], string>>>;

export interface RunsPageQuery {
  limit: number;
  /** `next` of the page before, or null for the newest. */
  cursor: string | null;
  filter: RunFilter;
  /** Unix ms: runs that started at or after `fromMs` and before `toMs`. */
  fromMs?: number;
  toMs?: number;
}

/** Rows of the first window a page looks at, and how much each next one grows: a rare match costs few queries. */
const firstWindowRows = 2_000;
const windowGrowth = 8;

/**
 * Reads a page of runs, newest first by id, each in the version that stands. `next` is null at the end.
 *
 * FINAL over a whole table costs seconds at ten million runs, so the page looks at windows of ids from the newest back,
 * each larger than the one before, and stops when it is full. Rejects with HocError `input_invalid` for an unknown filter
 * and `engine_unavailable`.
 */
export async function readRunsPage(
  ch: ClickHouse,
  scope: TenantScope,
  query: RunsPageQuery,
): Promise<{ rows: RunRow[]; next: string | null }> {
  const { conditions, parameters } = narrow(scope, query);
  const found: string[] = [];
  let below = query.cursor;
  let size = Math.max(firstWindowRows, query.limit * 4);
  for (;;) {
    const from = await findWindowStart(ch, scope, { below, size });
    const missing = query.limit + 1 - found.length;
    const ids = await selectRows(ch, {
      sql: `SELECT run_id FROM runs FINAL WHERE ${[...conditions, ...idRange(from, below)].join(' AND ')}
        ORDER BY run_id DESC LIMIT {missing:UInt32}`,
      parameters: { ...parameters, from: from ?? '', below: below ?? '', missing },
    });
    found.push(...ids.map(([id]) => String(id)));
    if (found.length > query.limit || from === null) break;
    below = from;
    size *= windowGrowth;
  }
  const page = found.slice(0, query.limit);
  return {
    rows: await readRunsByIds(ch, scope, page),
    next: found.length > query.limit ? (page.at(-1) ?? null) : null,
  };
}

function idRange(from: string | null, below: string | null): string[] {
  const range = from === null ? [] : ['run_id >= {from:String}'];
  if (below !== null) range.push('run_id < {below:String}');
  return range;
}

/** The id that lies `size` rows below `below`, or null where fewer are left. Versions count: this is only a distance. */
async function findWindowStart(
  ch: ClickHouse,
  scope: TenantScope,
  window: { below: string | null; size: number },
): Promise<string | null> {
  const { condition, parameters } = scopeCondition(scope);
  const [row] = await selectRows(ch, {
    sql: `SELECT run_id FROM runs WHERE ${[condition, ...idRange(null, window.below)].join(' AND ')}
      ORDER BY ${scope.kind === 'all' ? '' : 'tenant DESC, '}run_id DESC LIMIT 1 OFFSET {size:UInt32}`,
    parameters: { ...parameters, below: window.below ?? '', size: window.size },
  });
  return row === undefined ? null : String(row[0]);
}

/** Conditions that hold for the version that stands: they are applied after FINAL. */
function narrow(
  scope: TenantScope,
  query: RunsPageQuery,
): { conditions: string[]; parameters: Record<string, unknown> } {
  const scoped = scopeCondition(scope);
  const conditions = [scoped.condition];
  const parameters: Record<string, unknown> = { ...scoped.parameters };
  for (const [name, value] of Object.entries(query.filter)) {
    const column = filterColumns.find((known) => known === name);
    if (column === undefined) {
      const expected = filterColumns.join(', ');
      throw new HocError({
        code: 'input_invalid',
        publicMessage: `Runs cannot be filtered by this field; use ${expected}`,
      });
    }
    if (value === undefined) continue;
    conditions.push(`${column} = {filter_${column}:String}`);
    parameters[`filter_${column}`] = value;
  }
  if (query.fromMs !== undefined) conditions.push('started_at >= fromUnixTimestamp64Milli({from_ms:Int64})');
  if (query.toMs !== undefined) conditions.push('started_at < fromUnixTimestamp64Milli({to_ms:Int64})');
  return { conditions, parameters: { ...parameters, from_ms: query.fromMs ?? 0, to_ms: query.toMs ?? 0 } };
}

async function readRunsByIds(ch: ClickHouse, scope: TenantScope, ids: readonly string[]): Promise<RunRow[]> {
  if (ids.length === 0) return [];
  const { condition, parameters } = scopeCondition(scope);
  const rows = await selectRows(ch, {
    sql: `SELECT ${shownRunSelect} FROM runs FINAL WHERE ${condition}
      AND run_id IN {ids:Array(String)} AND run_id >= {least:String} AND run_id <= {most:String} ORDER BY run_id DESC`,
    parameters: { ...parameters, ids, least: ids.at(-1), most: ids[0] },
  });
  return rows.map(readShownRun);
}

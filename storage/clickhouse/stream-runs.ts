import type { RunRow } from '../schema/run.ts';
import type { TenantScope } from '../schema/scope.ts';
import type { ClickHouse } from './connection.ts';
import { readShownRun, shownRunSelect } from './run-columns.ts';
import { scopeCondition, streamRows } from './select.ts';

/** Rows that one query of an export sorts. */
const windowRows = 50_000;
/** The first 8 hex digits of a UUIDv7: one value spans 65 seconds. */
const prefixCharacters = 8;

/**
 * Reads every run of all time, oldest first, each in the version that stands, in constant memory here and in the engine:
 * one pass counts runs by minute, and then windows of whole minutes are sorted and streamed one after the other.
 *
 * Runs that arrive meanwhile may or may not be in it. Rejects with HocError `engine_unavailable`; the rows given out
 * until then are right, but not all.
 */
export async function* streamRuns(ch: ClickHouse, scope: TenantScope): AsyncGenerator<RunRow, void> {
  const { condition, parameters } = scopeCondition(scope);
  const bounds = await readBounds(ch, scope);
  for (const [index, from] of bounds.entries()) {
    const below = bounds[index + 1];
    const range = `run_id >= {from:String}${below === undefined ? '' : ' AND run_id < {below:String}'}`;
    const rows = streamRows(ch, {
      sql: `SELECT ${shownRunSelect} FROM runs FINAL WHERE ${condition} AND ${range} ORDER BY run_id, tenant`,
      parameters: { ...parameters, from, below: below ?? '' },
      batch: true,
    });
    for await (const row of rows) yield readShownRun(row);
  }
}

/** Where each window begins, ascending; the first begins before every id. */
async function readBounds(ch: ClickHouse, scope: TenantScope): Promise<string[]> {
  const { condition, parameters } = scopeCondition(scope);
  const counts = streamRows(ch, {
    sql: `SELECT substring(run_id, 1, ${prefixCharacters}) AS prefix, count() FROM runs WHERE ${condition}
      GROUP BY prefix ORDER BY prefix`,
    parameters,
    batch: true,
  });
  const bounds = [''];
  let inWindow = 0;
  for await (const [prefix, count] of counts) {
    if (inWindow >= windowRows) {
      bounds.push(String(prefix));
      inWindow = 0;
    }
    inWindow += Number(count);
  }
  return bounds;
}

import type { RunRow } from '../schema/run.ts';
import type { TenantScope } from '../schema/scope.ts';
import type { ClickHouse } from './connection.ts';
import { readIdWindows, windowCondition, windowParameters } from './id-windows.ts';
import { readShownRun, shownRunSelect } from './run-columns.ts';
import { scopeCondition, streamRows } from './select.ts';

/** Rows that one query of an export sorts. */
const windowRows = 50_000;

/**
 * Reads every run of all time, oldest first, each in the version that stands, in constant memory here and in the engine:
 * one pass counts runs by minute, and then windows of whole minutes are sorted and streamed one after the other.
 *
 * Runs that arrive meanwhile may or may not be in it. Rejects with HocError `engine_unavailable`; the rows given out
 * until then are right, but not all.
 */
export async function* streamRuns(ch: ClickHouse, scope: TenantScope): AsyncGenerator<RunRow, void> {
  const { condition, parameters } = scopeCondition(scope);
  for (const window of await readIdWindows(ch, scope, { from: '', rows: windowRows })) {
    const rows = streamRows(ch, {
      sql: `SELECT ${shownRunSelect} FROM runs FINAL WHERE ${condition} AND ${windowCondition(window)}
        ORDER BY run_id, tenant`,
      parameters: { ...parameters, ...windowParameters(window) },
      batch: true,
    });
    for await (const row of rows) yield readShownRun(row);
  }
}

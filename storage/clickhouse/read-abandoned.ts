import type { TenantScope } from '../schema/scope.ts';
import type { ClickHouse } from './connection.ts';
import { leastId } from './id-windows.ts';
import { scopeCondition, selectRows } from './select.ts';

/** Far more than proxies that died in a day can have left open. */
const mostRuns = 100_000;

/**
 * Ids of runs that were begun at `sinceMs` (Unix ms) or later and closed because their proxy was gone: the newest, at most
 * 100,000. Rejects with HocError `engine_unavailable`.
 */
export async function readAbandoned(ch: ClickHouse, scope: TenantScope, sinceMs: number): Promise<string[]> {
  const { condition, parameters } = scopeCondition(scope);
  const rows = await selectRows(ch, {
    sql: `SELECT run_id FROM runs FINAL WHERE ${condition} AND run_id >= {least:String} AND status = 'abandoned'
      ORDER BY run_id DESC LIMIT ${mostRuns}`,
    parameters: { ...parameters, least: leastId(sinceMs) },
    batch: true,
  });
  return rows.map(([runId]) => String(runId));
}

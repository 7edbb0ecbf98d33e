import type { TenantScope } from '../schema/scope.ts';
import type { ClickHouse } from './connection.ts';
import { leastId } from './id-windows.ts';
import { scopeCondition, selectRows } from './select.ts';
import { type ChargeCut, describeCuts, notCut } from './sum-charges.ts';

/** Far more than proxies that died in a day can have left open. */
const mostRuns = 100_000;

/**
 * Ids of runs that were begun at `sinceMs` (Unix ms) or later and closed because their proxy was gone, of those that the
 * cuts of a sum leave in it: the newest, at most 100,000. What a cut leaves out is still to be counted. Rejects with HocError `engine_unavailable`.
 */
export async function readAbandoned(
  ch: ClickHouse,
  scope: TenantScope,
  { sinceMs, cuts }: { sinceMs: number; cuts: readonly ChargeCut[] },
): Promise<string[]> {
  const { condition, parameters } = scopeCondition(scope);
  const rows = await selectRows(ch, {
    sql: `SELECT run_id FROM runs FINAL WHERE ${condition} AND run_id >= {least:String} AND status = 'abandoned'
      AND ${notCut} ORDER BY run_id DESC LIMIT ${mostRuns}`,
    parameters: { ...parameters, ...describeCuts(cuts), least: leastId(sinceMs) },
    batch: true,
  });
  return rows.map(([runId]) => String(runId));
}

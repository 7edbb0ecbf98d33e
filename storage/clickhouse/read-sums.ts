import type { TenantScope } from '../schema/scope.ts';
import type { ClickHouse } from './connection.ts';
import { scopeCondition, selectRows } from './select.ts';

/** Sums over runs in the version that stands. A collapsed refusal counts as often as its `count` says. */
export interface RunSums {
  /** Null for runs of no known tenant. */
  tenant: string | null;
  runs: number;
  /** Of these, runs whose cost is unknown: they are not in `costNanoUsd`, and not zero either. */
  unpriced: number;
  costNanoUsd: bigint;
  inputTokens: number;
  outputTokens: number;
}

/**
 * Sums runs by tenant over `[fromMs, toMs)` of their start, Unix ms; tenants without runs are absent. Money adds up in
 * 128 bits, so that no sum of 64-bit costs overflows. Rejects with HocError `engine_unavailable`.
 */
export async function sumRuns(
  ch: ClickHouse,
  scope: TenantScope,
  range: { fromMs: number; toMs: number },
): Promise<RunSums[]> {
  const { condition, parameters } = scopeCondition(scope);
  const rows = await selectRows(ch, {
    sql: `SELECT tenant, sum(count), sumIf(count, isNull(cost_nano_usd) AND status != 'running'),
        toString(sum(toInt128(ifNull(cost_nano_usd, 0)))),
        sum(ifNull(input_tokens, 0)), sum(ifNull(output_tokens, 0))
      FROM runs FINAL
      WHERE ${condition} AND started_at >= fromUnixTimestamp64Milli({from:Int64})
        AND started_at < fromUnixTimestamp64Milli({to:Int64})
      GROUP BY tenant ORDER BY tenant`,
    parameters: { ...parameters, from: range.fromMs, to: range.toMs },
  });
  return rows.map(([tenant, runs, unpriced, cost, input, output]) => ({
    tenant: tenant === '' ? null : String(tenant),
    runs: Number(runs),
    unpriced: Number(unpriced),
    costNanoUsd: BigInt(String(cost)),
    inputTokens: Number(input),
    outputTokens: Number(output),
  }));
}

import { type Installation, until } from '../installation.ts';
import { askClickHouse } from './check-stores.ts';

const figures = 'runs, records, cost, input, output';

/** Sums of ended runs by tenant, time and status, as one text a group. */
async function sumRaw(url: string, width: string): Promise<string[]> {
  return rowsOf(
    url,
    `SELECT tenant, toUnixTimestamp(${width}(started_at, 'UTC')) AS at, status, sum(count) AS runs, count() AS records,
      sum(toInt128(ifNull(cost_nano_usd, 0))) AS cost, sum(toInt128(ifNull(input_tokens, 0))) AS input,
      sum(toInt128(ifNull(output_tokens, 0))) AS output
    FROM (SELECT * FROM runs FINAL) WHERE version >= 2 GROUP BY tenant, at, status`,
  );
}

async function sumRollup(url: string, table: string): Promise<string[]> {
  return rowsOf(
    url,
    `SELECT tenant, toUnixTimestamp(at) AS at, each.status AS status, sum(each.runs) AS runs, sum(each.records) AS records,
      sum(each.cost_nano_usd) AS cost, sum(each.input_tokens) AS input, sum(each.output_tokens) AS output
    FROM (SELECT * FROM ${table} FINAL) ARRAY JOIN groups AS each GROUP BY tenant, at, status`,
  );
}

async function rowsOf(url: string, inner: string): Promise<string[]> {
  const sql = `SELECT concat(tenant, ' ', toString(at), ' ', status, ': ', toString(tuple(${figures}))) AS text FROM (${inner}) ORDER BY text`;
  return (await askClickHouse<{ text: string }>(url, sql)).map(({ text }) => text);
}

/** Where minutes and days of the rollups differ from the raw rows, after they had half a minute to catch up. */
export async function checkRollups(hoc: Installation): Promise<string[]> {
  const url = hoc.engines.CLICKHOUSE_URL;
  const compare = async (): Promise<string[]> => {
    const violations: string[] = [];
    for (const [table, width] of [
      ['rollup_minutes', 'toStartOfMinute'],
      ['rollup_days', 'toStartOfDay'],
    ] as const) {
      const [raw, rolled] = [await sumRaw(url, width), await sumRollup(url, table)];
      for (const row of raw) if (!rolled.includes(row)) violations.push(`${table} lacks ${row}`);
      for (const row of rolled) if (!raw.includes(row)) violations.push(`${table} holds ${row}`);
    }
    return violations;
  };
  await until(async () => (await compare()).length === 0, 'the rollups to catch up').catch(() => undefined);
  return compare();
}

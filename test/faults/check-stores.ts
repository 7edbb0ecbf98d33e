import { connectClickHouse } from '../../storage/clickhouse/index.ts';
import { readSequenceGaps } from '../../storage/clickhouse/read-sequences.ts';
import { connectRedis, waitForRedis } from '../../storage/redis/connection.ts';
import type { Installation } from '../installation.ts';

/** Rows of a question to an installation's ClickHouse. */
export async function askClickHouse<Row>(url: string, sql: string): Promise<Row[]> {
  const clickHouse = connectClickHouse(url);
  try {
    const answer = await clickHouse.client.query({ query: sql, format: 'JSONEachRow' });
    return (await answer.json()) as Row[];
  } finally {
    await clickHouse.close();
  }
}

/**
 * What is wrong with the sealed records as they lie in ClickHouse: a gap in a sequence, a run with more than one terminal
 * record of its own proxy, or an intent without any terminal record.
 */
export async function checkSealedRecords(hoc: Installation): Promise<string[]> {
  const violations: string[] = [];
  const clickHouse = connectClickHouse(hoc.engines.CLICKHOUSE_URL);
  const sequences = await readSequenceGaps(clickHouse).finally(() => clickHouse.close());
  for (const { proxyId, proxyEpoch, gaps } of sequences) {
    for (const { from, to } of gaps) violations.push(`${proxyId} epoch ${proxyEpoch} lacks ${from} to ${to}`);
  }
  const sql = `SELECT run_id, countIf(kind = 'finish' AND NOT endsWith(proxy_id, '.recovery')) AS own,
      countIf(kind = 'finish') AS terminal, countIf(kind = 'intent') AS intents
    FROM records FINAL WHERE kind IN ('intent', 'finish') GROUP BY run_id
    HAVING own > 1 OR terminal > own + 1 OR terminal = 0 OR intents > 1`;
  type Odd = { run_id: string; own: string; terminal: string; intents: string };
  for (const odd of await askClickHouse<Odd>(hoc.engines.CLICKHOUSE_URL, sql)) {
    violations.push(`run ${odd.run_id}: ${odd.intents} intents, ${odd.own} own and ${odd.terminal} terminal records`);
  }
  return violations;
}

/** The first byte of what Redis keeps of a run that is gone: it holds nothing, and may not come back. */
const goneByte = 2;

/** Ids of a tenant's runs that hold a reservation in Redis. */
export async function listOpenReservations(hoc: Installation, tenant: string): Promise<string[]> {
  const redis = connectRedis(hoc.engines.REDIS_URL);
  try {
    await waitForRedis(redis, 10_000);
    const runs = Object.entries(await redis.hgetallBuffer(`hoc:{${tenant}}:runs`));
    return runs.filter(([, kept]) => kept[0] !== goneByte).map(([id]) => id);
  } finally {
    redis.disconnect();
  }
}

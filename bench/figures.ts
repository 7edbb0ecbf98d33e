import { readdirSync, readFileSync, statSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connectClickHouse } from '../storage/clickhouse/index.ts';
import { waitForRedis } from '../storage/redis/connection.ts';
import { connectRedis, createReservations, writeEpochIfAbsent } from '../storage/redis/index.ts';
import { startRedisServer } from '../storage/redis/test-server.ts';
import type { ReservationItem } from '../storage/schema/reservation.ts';
import { createRandom, type Random } from '../test/faults/random.ts';
import type { Hoc } from './contenders/hoc.ts';
import { median, round } from './median.ts';

/** What one part of HOC does or takes by itself. Rates depend on the machine, bytes do not. */
export interface PartFigures {
  about: string;
  rounds: number;
  /** Runs whose three limits were reserved and settled against one redis-server, a second; median of the rounds. */
  reserve_calls_per_second: number;
  /** Of the same, by the run's reservation alone: from one caller's ask to its grant, ms. */
  reserve_p50_ms: number;
  reserve_p99_ms: number;
  /** Runs a second that a shipper brings from a waiting spool into ClickHouse, until the last is acknowledged. */
  shipped_runs_per_second: number;
  runs: number;
  spool_bytes_per_run: number;
  /** On ClickHouse's disk, compressed and merged, with both payloads of every run; by table. */
  clickhouse_bytes_per_run: number;
  clickhouse_bytes_by_table: Record<string, number>;
}

const rounds = 3;
const reserveSeconds = 2;
const inFlight = 256;
const shippedRuns = 6000;
const bodyBytes = 2048;
const tenant = 'figures';
const epoch = 'figures-epoch';

/**
 * Measures the parts one by one: reservations against a redis-server of their own, then the spool, the shipper and
 * ClickHouse of a running contender `hoc`, whose shipper stands still while runs are made and then ships them all. Rejects
 * where a run is not answered or not on record.
 */
export async function measureParts(hoc: Hoc, folder: string, say: (text: string) => void): Promise<PartFigures> {
  const reserved = await measureReservations();
  say(`${reserved.perSecond} runs reserved and settled a second`);
  const data = join(folder, 'hoc', 'data');
  const { pid, spool, clickHouseUrl } = readInstallation(data);
  await hoc.awaitDrained(60_000);
  const before = bytesIn(spool);
  process.kill(pid, 'SIGSTOP');
  let bytes = 0;
  try {
    await makeRuns(hoc, shippedRuns);
    bytes = bytesIn(spool) - before;
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  const startedMs = performance.now();
  const found = await countUntil(clickHouseUrl, shippedRuns);
  const tookMs = performance.now() - startedMs;
  if (found < shippedRuns) throw new Error(`Of ${shippedRuns} runs ${found} are on record`);
  const byTable = await bytesByTable(clickHouseUrl, found);
  return {
    about:
      '2 KB of drawn words in, the same 2 KB out each time, full capture, three policies, two request limits and one of money',
    rounds,
    reserve_calls_per_second: reserved.perSecond,
    reserve_p50_ms: reserved.p50Ms,
    reserve_p99_ms: reserved.p99Ms,
    shipped_runs_per_second: round((found / tookMs) * 1000),
    runs: found,
    spool_bytes_per_run: round(bytes / shippedRuns),
    clickhouse_bytes_per_run: round(Object.values(byTable).reduce((sum, each) => sum + each, 0)),
    clickhouse_bytes_by_table: byTable,
  };
}

async function measureReservations(): Promise<{ perSecond: number; p50Ms: number; p99Ms: number }> {
  const server = await startRedisServer();
  const redis = connectRedis(server.url);
  await waitForRedis(redis, 10_000);
  const reservations = createReservations(redis, { epochOf: () => epoch, timeoutMs: 5000, callerId: 'bench' });
  try {
    await writeEpochIfAbsent(redis, tenant, epoch);
    await reservations.ready();
    const rates: number[] = [];
    const waits: number[] = [];
    for (let nth = 0; nth <= rounds; nth += 1) {
      const rate = await reserveFor(reservations, nth === 0 ? [] : waits);
      // The first warms up.
      if (nth > 0) rates.push(rate);
    }
    const sorted = waits.sort((a, b) => a - b);
    const at = (share: number) => round(sorted[Math.floor(sorted.length * share)] ?? 0);
    return { perSecond: round(median(rates) ?? 0), p50Ms: at(0.5), p99Ms: at(0.99) };
  } finally {
    await reservations.close();
    redis.disconnect();
    await server.stop();
  }
}

/** Runs reserved and settled a second by so many callers at once; the waits for grants are added to `waits`. */
async function reserveFor(reservations: ReturnType<typeof createReservations>, waits: number[]): Promise<number> {
  const items: ReservationItem[] = [
    itemOf('key-rate', 1n, { align: 'rolling', windowMs: 60_000 }),
    itemOf('team-rate', 1n, { align: 'calendar', unitMs: 86_400_000 }),
    itemOf('budget', 1_000_000n, { align: 'calendar', months: 1 }),
  ];
  const startedMs = performance.now();
  let runs = 0;
  const loop = async (caller: number): Promise<void> => {
    for (let call = 0; performance.now() - startedMs < reserveSeconds * 1000; call += 1) {
      const runId = `${startedMs}-${caller}-${call}`;
      const askedMs = performance.now();
      const reply = await reservations.reserve({ tenant, runId, expiresInMs: 60_000, items });
      if (reply.kind !== 'granted') throw new Error(`A reservation was ${reply.kind}`);
      waits.push(performance.now() - askedMs);
      const settled = items.map(({ key, amount }) => ({ key, amount: amount > 1n ? amount / 2n : amount }));
      await reservations.settle([{ tenant, runId, items: settled }]);
      runs += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, caller) => loop(caller)));
  return (runs / (performance.now() - startedMs)) * 1000;
}

function itemOf(limitId: string, amount: bigint, window: ReservationItem['window']): ReservationItem {
  const ceiling = 9_000_000_000_000_000n;
  return { limitId, key: `${limitId}:*`, amount, ceiling, near: ceiling, window };
}

function readInstallation(data: string): { pid: number; spool: string; clickHouseUrl: string } {
  const read = <T>(name: string): T => JSON.parse(readFileSync(join(data, name), 'utf8')) as T;
  const shipper = read<{ name: string; pid: number }[]>('children.json').find(({ name }) => name === 'shipper');
  if (shipper === undefined) throw new Error('children.json of the data folder names no shipper');
  const { engines } = read<{ engines: { CLICKHOUSE_URL: string } }>('run.json');
  return { pid: shipper.pid, spool: join(data, 'spool/proxy-1'), clickHouseUrl: engines.CLICKHOUSE_URL };
}

/** Bytes of all segments; the shipper's own small files beside them do not count. */
function bytesIn(folder: string): number {
  return readdirSync(folder)
    .filter((name) => /\.(seg|big)$/.test(name))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

async function makeRuns(hoc: Hoc, runs: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  const random = createRandom(1);
  let left = runs;
  const loop = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await post(hoc, agent, makeBody(random));
    }
  };
  await Promise.all(Array.from({ length: 32 }, loop));
  agent.destroy();
}

const words =
  'the a of and to in that it is was for on with as be by at from this which or have an but not are we they you figure page report shows value total month region sales cost each line table item order customer price model answer question before after under over between during'.split(
    ' ',
  );

/** A chat request of 2 KB whose words differ from run to run: equal bodies would compress to almost nothing. */
function makeBody(random: Random): string {
  const build = (content: string): string =>
    JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content }], max_tokens: 400 });
  const room = bodyBytes - build('').length;
  let text = '';
  while (text.length < room) text += `${random.pick(words)} `;
  return build(text.slice(0, room));
}

function post(hoc: Hoc, agent: Agent, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { ...hoc.headers, 'content-type': 'application/json', 'content-length': body.length };
    const sent = request(hoc.url, { method: 'POST', agent, headers }, (answer) => {
      answer.resume();
      answer.once('end', () => {
        if (answer.statusCode === 200) resolve();
        else reject(new Error(`A run was answered ${answer.statusCode}`));
      });
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

async function ask<Row>(url: string, query: string): Promise<Row[]> {
  const clickHouse = connectClickHouse(url);
  try {
    return (await (await clickHouse.client.query({ query, format: 'JSONEachRow' })).json()) as Row[];
  } finally {
    await clickHouse.close();
  }
}

async function countUntil(url: string, expected: number): Promise<number> {
  const endMs = Date.now() + 120_000;
  for (;;) {
    const sql = "SELECT uniqExact(run_id) AS runs FROM runs WHERE status = 'succeeded'";
    const [row] = await ask<{ runs: string }>(url, sql);
    const found = Number(row?.runs ?? 0);
    if (found >= expected || Date.now() > endMs) return found;
    await delay(50);
  }
}

async function bytesByTable(url: string, runs: number): Promise<Record<string, number>> {
  const tables = ['records', 'runs', 'payloads'];
  const clickHouse = connectClickHouse(url);
  for (const table of tables) await clickHouse.client.command({ query: `OPTIMIZE TABLE ${table} FINAL` });
  await clickHouse.close();
  const sql = `SELECT table, sum(bytes_on_disk) AS bytes FROM system.parts
    WHERE active AND database = currentDatabase() AND table IN (${tables.map((name) => `'${name}'`).join()}) GROUP BY table`;
  const rows = await ask<{ table: string; bytes: string }>(url, sql);
  return Object.fromEntries(rows.map(({ table, bytes }) => [table, round(Number(bytes) / runs)]));
}

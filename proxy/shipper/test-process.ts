import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import { launchFront } from '../../storage/clickhouse/front/test-launch.ts';
import { type ClickHouse, connectClickHouse, migrateClickHouse } from '../../storage/clickhouse/index.ts';
import { connectRedis, createReservations, writeEpochIfAbsent } from '../../storage/redis/index.ts';
import { startRedisServer } from '../../storage/redis/test-server.ts';
import type { BatchSeal } from '../../storage/schema/audit.ts';
import type { SpoolReport } from '../../storage/schema/live.ts';
import type { Reading } from '../../storage/schema/reservation.ts';

/** For tests: waits until it holds, for 40 seconds at most. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 40_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** For tests: what a shipper's own process stands between, on loopback and all real but control; gone with the test. */
export interface ShipperStage {
  /** Data folder of the proxy `p`, whose spool is below `spool`. */
  dir: string;
  clickHouseUrl: string;
  ch: ClickHouse;
  redisUrl: string;
  control: ControlStandIn;
  /** Reserves 100 of the budget of tenant `acme`: its reading, or undefined where that was not granted. */
  reserve(runId: string): Promise<Reading | undefined>;
}

/** For tests: starts all of it, with the counters of tenant `acme` in the epoch `e1`. */
export async function openShipperStage(t: Test): Promise<ShipperStage> {
  const dir = mkdtempSync(join(tmpdir(), 'hoc-shipper-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  const front = await launchFront({ path: join(dir, 'clickhouse') });
  t.teardown(() => front.stop());
  const ch = connectClickHouse(front.url);
  t.teardown(() => ch.close());
  await migrateClickHouse(ch);
  const server = await startRedisServer(['--maxmemory-policy', 'noeviction']);
  t.teardown(() => server.stop());
  const redis = connectRedis(server.url);
  t.teardown(() => redis.disconnect());
  await until('Redis answers', () => redis.status === 'ready');
  await writeEpochIfAbsent(redis, 'acme', 'e1');
  const reservations = createReservations(redis, { callerId: 'proxy:p', epochOf: () => 'e1', timeoutMs: 5000 });
  await reservations.ready();
  return {
    ...{ dir, ch, clickHouseUrl: front.url, redisUrl: server.url },
    control: await startControl(t),
    async reserve(runId) {
      const window = { align: 'calendar', unitMs: 86_400_000 } as const;
      const item = { limitId: 'budget', key: 'budget', amount: 100n, ceiling: 1_000_000n, near: 800_000n, window };
      const reply = await reservations.reserve({ tenant: 'acme', runId, expiresInMs: 600_000, items: [item] });
      return reply.kind === 'granted' ? reply.readings[0] : undefined;
    },
  };
}

/** For tests: stands where control will. It refuses the first post, and takes all others. */
export interface ControlStandIn {
  url: string;
  seals: BatchSeal[];
  reports: SpoolReport[];
  tokens: Set<string | undefined>;
}

async function startControl(t: Test): Promise<ControlStandIn> {
  const taken = { seals: [] as BatchSeal[], reports: [] as SpoolReport[], tokens: new Set<string | undefined>() };
  let posts = 0;
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    posts += 1;
    taken.tokens.add(request.headers.authorization);
    if (posts > 1 && request.url === '/internal/v1/spools') taken.reports.push(JSON.parse(body) as SpoolReport);
    if (posts > 1 && request.url === '/internal/v1/batches') {
      taken.seals.push(...(JSON.parse(body) as { seals: BatchSeal[] }).seals);
    }
    response.writeHead(posts > 1 ? 200 : 503).end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ...taken };
}

/** For tests: starts the shipper of proxy `p` as a process of its own, between the stage and this ClickHouse. */
export async function startShipperProcess(
  t: Test,
  stage: ShipperStage,
  clickHouseUrl = stage.clickHouseUrl,
): Promise<{ child: ChildProcess; admin: string }> {
  const main = new URL('./main.js', import.meta.url).href;
  const script = `import(${JSON.stringify(main)}).then((m) => m.runShipper(process.env))`;
  const child = spawn(process.execPath, ['-e', script], {
    stdio: ['pipe', 'pipe', process.env.HOC_TEST_LOG === undefined ? 'ignore' : 'inherit'],
    env: {
      CLICKHOUSE_URL: clickHouseUrl,
      REDIS_URL: stage.redisUrl,
      HOC_CONTROL_URL: stage.control.url,
      ...{ HOC_DATA: stage.dir, HOC_PROXY_ID: 'p', HOC_NODE_TOKEN: 'a token', HOC_PARENT_PIPE: '1' },
    },
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const ready = JSON.parse(line) as { ready: boolean; process: string; listen: { admin: string } };
  t.same([ready.ready, ready.process], [true, 'shipper']);
  return { child, admin: ready.listen.admin };
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { uuidv7 } from 'uuidv7';
import { leafHash, merkleRoot } from '../../policy/evidence/index.ts';
import { launchFront } from '../../storage/clickhouse/front/test-launch.ts';
import { connectClickHouse, migrateClickHouse, readRun } from '../../storage/clickhouse/index.ts';
import { countRuns } from '../../storage/clickhouse/test-rows.ts';
import { connectRedis, createReservations, writeEpochIfAbsent } from '../../storage/redis/index.ts';
import type { BatchSeal } from '../../storage/schema/audit.ts';
import { openSpool } from '../../storage/spool/index.ts';
import {
  payloadFrame,
  recordFrame,
  sampleFinish,
  sampleIntent,
  sampleOpenValues,
  sampleSettled,
} from './test-frames.ts';

const dir = mkdtempSync(join(tmpdir(), 'hoc-e2e-'));
t.teardown(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
t.setTimeout(120_000);

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function startRedis(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  const options = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    dir,
    '--save',
    '',
    '--maxmemory-policy',
    'noeviction',
  ];
  const child = spawn('/usr/bin/redis-server', options, { stdio: 'ignore' });
  t.teardown(() => child.kill('SIGKILL'));
  return `redis://127.0.0.1:${port}`;
}

/** Stands where control will: takes seals, and refuses the first post. */
async function startSealTaker(): Promise<{ url: string; seals: BatchSeal[]; tokens: Set<string | undefined> }> {
  const seals: BatchSeal[] = [];
  const tokens = new Set<string | undefined>();
  let posts = 0;
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    posts += 1;
    tokens.add(request.headers.authorization);
    if (posts > 1 && request.url === '/internal/v1/batches')
      seals.push(...(JSON.parse(body) as { seals: BatchSeal[] }).seals);
    response.writeHead(posts > 1 ? 200 : 503).end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seals, tokens };
}

async function startShipper(env: Record<string, string>): Promise<{ child: ChildProcess; admin: string }> {
  const main = new URL('./main.js', import.meta.url).href;
  const script = `import(${JSON.stringify(main)}).then((m) => m.runShipper(process.env))`;
  const child = spawn(process.execPath, ['-e', script], {
    stdio: ['pipe', 'pipe', process.env.HOC_TEST_LOG === undefined ? 'ignore' : 'inherit'],
    env: { ...env, HOC_DATA: dir, HOC_PROXY_ID: 'p', HOC_NODE_TOKEN: 'a token', HOC_PARENT_PIPE: '1' },
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const ready = JSON.parse(line) as { ready: boolean; process: string; listen: { admin: string } };
  t.same([ready.ready, ready.process], [true, 'shipper']);
  return { child, admin: ready.listen.admin };
}

t.test(
  'a proxy’s spool reaches ClickHouse, Redis and control, through a kill of the shipper and the end of the proxy',
  async (t) => {
    const front = await launchFront({ path: join(dir, 'clickhouse') });
    t.teardown(() => front.stop());
    const ch = connectClickHouse(front.url);
    t.teardown(() => ch.close());
    await migrateClickHouse(ch);
    const redisUrl = await startRedis();
    const redis = connectRedis(redisUrl);
    t.teardown(() => redis.disconnect());
    await until('Redis answers', () => redis.status === 'ready');
    await writeEpochIfAbsent(redis, 'acme', 'e1');
    const reservations = createReservations(redis, { callerId: 'proxy-1', epochOf: () => 'e1', timeoutMs: 5000 });
    await reservations.ready();
    const control = await startSealTaker();
    const env = { CLICKHOUSE_URL: front.url, REDIS_URL: redisUrl, HOC_CONTROL_URL: control.url };
    const first = await startShipper(env);

    const spool = await openSpool({ dir: join(dir, 'spool'), proxyId: 'p', durability: 'process' });
    const reserve = async (runId: string) =>
      reservations.reserve({
        tenant: 'acme',
        runId,
        expiresInMs: 600_000,
        items: [
          {
            limitId: 'budget',
            key: 'budget',
            amount: 100n,
            ceiling: 1_000_000n,
            near: 800_000n,
            window: { align: 'calendar', unitMs: 86_400_000 },
          },
        ],
      });
    const hashes = new Map<number, string>();
    const append = (record: Parameters<typeof recordFrame>[0], open: Parameters<typeof recordFrame>[1] = null) => {
      const frame = recordFrame({ ...record, proxy_epoch: spool.epoch, at_ms: Date.now() }, open);
      hashes.set(record.proxy_seq, leafHash(frame.head.toString()));
      spool.append(frame);
    };
    const ids = Array.from({ length: 40 }, () => uuidv7());
    const settle = [{ key: 'budget', amount: '30' }];
    const unsettled = ids.slice(0, 5);
    for (const [index, runId] of ids.entries()) {
      if (unsettled.includes(runId)) t.equal((await reserve(runId)).kind, 'granted');
      append(sampleIntent({ seq: spool.nextSeq(), runId }), sampleOpenValues);
      spool.append(payloadFrame(runId, 'request', Buffer.alloc(index === 7 ? 200_000 : 20, 65)));
      if (index === 20) first.child.kill('SIGKILL');
      if (index === 39) break;
      append(
        sampleFinish({ seq: spool.nextSeq(), runId }),
        unsettled.includes(runId) ? { ...sampleOpenValues, settle } : sampleOpenValues,
      );
    }
    append(sampleSettled({ seq: spool.nextSeq(), runs: [] }));
    const second = await startShipper(env);
    await until('all is drained', async () => (await fetch(`${second.admin}/drained?wait_ms=2000`)).status === 200);

    const scope = { kind: 'all' } as const;
    t.equal(await countRuns(ch, scope), 40);
    const big = await readRun(ch, scope, ids[7] ?? '');
    t.match(big, { run: { status: 'succeeded', actor_id: 'user-a', cost_nano_usd: '13500', tags: { team: 'red' } } });
    t.match(await readRun(ch, scope, ids[39] ?? ''), { run: { status: 'running' } });

    const metrics = async () => (await fetch(`${second.admin}/metrics`)).text();
    await until('the leftovers are settled', async () => /^hoc_shipper_settled_total 5$/m.test(await metrics()));
    const last = await reserve(uuidv7());
    t.match(last, { kind: 'granted', readings: [{ used: 150n, reserved: 100n }] });

    await spool.close();
    await until('the open run is closed', async () => {
      return (await readRun(ch, scope, ids[39] ?? ''))?.run.status === 'abandoned';
    });
    t.match(await readRun(ch, scope, ids[39] ?? ''), {
      run: {
        outcome: 'failure',
        usage_source: 'estimated',
        cost_nano_usd: '9000000',
        proxy_id: 'p.recovery',
        actor_id: 'user-a',
      },
    });
    await until('control has the seal of the closing', () => control.seals.some((seal) => seal.proxy_id !== 'p'));
    await until('control has all seals', async () => /^hoc_shipper_seals_pending 0$/m.test(await metrics()));
    t.same([...control.tokens], ['Bearer a token']);
    const own = new Map(control.seals.filter((seal) => seal.proxy_id === 'p').map((seal) => [seal.batch_id, seal]));
    t.equal(
      [...own.values()].reduce((sum, seal) => sum + seal.leaves, 0),
      hashes.size,
    );
    for (const seal of own.values()) {
      const seqs = [...hashes.keys()].filter((seq) => seq >= seal.first_seq && seq <= seal.last_seq);
      t.equal(merkleRoot(seqs.map((seq) => hashes.get(seq) ?? '')), seal.root);
    }
    t.equal(control.seals.filter((seal) => seal.proxy_id === 'p.recovery').length, 1);
    t.equal((await fetch(`${second.admin}/readyz`)).status, 200);
    second.child.stdin?.end();
    const [code] = (await once(second.child, 'exit')) as [number];
    t.equal(code, 0, 'it ends cleanly when its parent does');
  },
);

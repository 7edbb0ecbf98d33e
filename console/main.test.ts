import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { launchFront } from '../storage/clickhouse/front/launch.ts';
import { connectPostgres } from '../storage/postgres/index.ts';
import { launchPostgres } from '../storage/postgres/test-postgres.ts';
import { connectRedis, createLiveWriter, createManifestChannel, readEpoch } from '../storage/redis/index.ts';
import type { AuditRecord } from '../storage/schema/audit.ts';
import type { Manifest, SignedManifest } from '../storage/schema/snapshot.ts';
import { ControlClient } from './contract/index.ts';
import { runDoctor } from './doctor/main.ts';
import { runMigrate } from './migrate/main.ts';

const folder = mkdtempSync(join(tmpdir(), 'hoc-control-'));
const started: ChildProcess[] = [];

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

async function launchRedis(): Promise<string> {
  const port = await findFreePort();
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  const child = spawn('/usr/bin/redis-server', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  started.push(child);
  for await (const line of createInterface({ input: child.stdout })) if (line.includes('Ready to accept')) break;
  return `redis://127.0.0.1:${port}`;
}

const [postgres, front, redisUrl, queueUrl] = await Promise.all([
  launchPostgres(),
  launchFront({ path: join(folder, 'clickhouse') }),
  launchRedis(),
  launchRedis(),
]);
const env: Record<string, string> = {
  DATABASE_URL: postgres.url,
  CLICKHOUSE_URL: front.url,
  REDIS_URL: redisUrl,
  QUEUE_REDIS_URL: queueUrl,
  HOC_CONSOLE_LISTEN: '127.0.0.1:0',
  HOC_ADMIN_LISTEN: '127.0.0.1:0',
  HOC_KEY_HASH_SECRET: 'hash-secret',
  HOC_MASTER_KEY: randomBytes(32).toString('base64'),
  HOC_SNAPSHOT_KEY: generateKeyPairSync('ed25519')
    .privateKey.export({ type: 'pkcs8', format: 'der' })
    .toString('base64'),
  HOC_SERVICE_TOKEN: 'canary-service-token',
  HOC_NODE_TOKEN: 'canary-node-token',
  HOC_PARENT_PIPE: '1',
};

interface Started {
  child: ChildProcess;
  console: string;
  admin: string;
  client: ControlClient;
  stderr(): string;
  exit: Promise<number | null>;
}

/** Runs `runControl` in a process of its own until it is ready or ends. */
async function start(
  overrides: Record<string, string> = {},
): Promise<Started | { exit: Promise<number | null>; stderr(): string }> {
  const main = new URL('./main.js', import.meta.url).href;
  const script = `import(${JSON.stringify(main)}).then((m) => m.runControl(process.env)).catch((e) => { console.error(e.message); process.exitCode = 1; })`;
  const child = spawn(process.execPath, ['-e', script], {
    env: { ...env, ...overrides },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  started.push(child);
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const exit = once(child, 'exit').then(([code]) => code as number | null);
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line').then(([text]) => String(text)),
    exit.then(() => null),
  ]);
  if (line === null) return { exit, stderr: () => stderr };
  const ready = JSON.parse(line) as { ready: boolean; process: string; listen: { console: string; admin: string } };
  t.match(ready, { ready: true, process: 'control' });
  const client = new ControlClient({ url: ready.listen.console, token: env.HOC_SERVICE_TOKEN ?? '' });
  return { child, ...ready.listen, client, stderr: () => stderr, exit };
}

async function startOrFail(overrides: Record<string, string> = {}): Promise<Started> {
  const control = await start(overrides);
  if (!('child' in control)) throw new Error(control.stderr());
  return control;
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error(`never: ${what}`);
    await delay(50);
  }
}

async function manifestOf(control: Started): Promise<Manifest & { id: string }> {
  const headers = { authorization: `Bearer ${env.HOC_NODE_TOKEN}` };
  const answer = (await (await fetch(`${control.console}/internal/v1/manifest`, { headers })).json()) as SignedManifest;
  return { ...(JSON.parse(answer.manifest) as Manifest), id: answer.id };
}

const db = connectPostgres(postgres.url);
const redis = connectRedis(redisUrl);
t.teardown(async () => {
  redis.disconnect();
  await db.destroy();
  for (const child of started) child.kill('SIGKILL');
  await Promise.all([postgres.stop(), front.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

t.test('control refuses to start without its environment or migrations, and says which', async (t) => {
  const incomplete = await start({ HOC_MASTER_KEY: '', DATABASE_URL: '' });
  t.equal(await incomplete.exit, 1);
  t.match(incomplete.stderr(), /DATABASE_URL, HOC_MASTER_KEY/);
  const unmigrated = await start();
  t.equal(await unmigrated.exit, 1);
  t.match(unmigrated.stderr(), /hoc migrate: 0001-control-state/);
});

t.test('migrations of both engines run once', async (t) => {
  const [first, second] = await Promise.all([runMigrate(env), runMigrate(env)]);
  t.same([...first.postgres, ...second.postgres], ['0001-control-state']);
  t.ok([...first.clickhouse, ...second.clickhouse].length > 0);
  t.same(await runMigrate(env), { postgres: [], clickhouse: [] });
});

t.test('a change is announced to the proxies and marks new counters valid', async (t) => {
  const masterFile = join(folder, 'master-key');
  writeFileSync(masterFile, `${env.HOC_MASTER_KEY}\n`);
  const control = await startOrFail({ HOC_MASTER_KEY: '', HOC_MASTER_KEY_FILE: masterFile });
  const heard: string[] = [];
  const unsubscribe = await createManifestChannel(redis).subscribe((id) => heard.push(id));
  const applied = await control.client.apply({ file: 'hoc.yaml', text: 'tenants: [{ slug: acme }]' });
  await until('the announcement', async () => heard.includes(applied.manifest?.id ?? ''));
  t.equal(await readEpoch(redis, 'acme'), (await manifestOf(control)).tenants[0]?.counter_epoch);
  await unsubscribe();

  const live = {
    proxy_epoch: 1,
    at_ms: Date.now(),
    manifest_id: null,
    manifest_sequence: null,
    running: 0,
    draining: false,
  };
  for (const id of ['p1', 'p2']) await createLiveWriter(redis, id).write({ ...live, proxy_id: id });
  await until('the number of proxies in the manifest', async () => (await manifestOf(control)).proxies === 2);

  t.same(await control.client.listRuns(), { runs: [], next: null });
  let exported = '';
  for await (const chunk of control.client.exportRuns()) exported += Buffer.from(chunk).toString();
  t.equal(exported, '');
  const metrics = await (await fetch(`${control.admin}/metrics`)).text();
  t.match(metrics, /hoc_manifest_sequence \d/);
  t.match(metrics, /hoc_audit_entries_total\{act="tenant.create"\} 1/);
  t.match(metrics, /hoc_api_requests_total\{route="\/api\/v1\/apply",status="200"\} 1/);
  t.equal((await fetch(`${control.admin}/readyz`)).status, 200);
  t.equal((await fetch(`${control.admin}/livez`)).status, 200);
  t.equal(
    await runDoctor({ env: { HOC_URL: control.console, HOC_TOKEN: env.HOC_SERVICE_TOKEN }, json: true }),
    1,
    'no proxy has it',
  );

  control.child.kill('SIGTERM');
  t.equal(await control.exit, 0);
  t.notMatch(control.stderr(), /canary/);
});

t.test('a second start changes nothing, and ends with its parent', async (t) => {
  const before = await db.selectFrom('audit_entries').select('sequence').execute();
  const control = await startOrFail();
  t.equal((await db.selectFrom('audit_entries').select('sequence').execute()).length, before.length);
  control.child.stdin?.end();
  t.equal(await control.exit, 0);
});

t.test('lost counters are an alarm, never reset in silence', async (t) => {
  await redis.flushall();
  const control = await startOrFail();
  await until('the alarm', async () =>
    /hoc_counters_invalid 1/.test(await (await fetch(`${control.admin}/metrics`)).text()),
  );
  t.equal(await readEpoch(redis, 'acme'), null);
  t.match(control.stderr(), /Redis has lost the counters/);
  control.child.kill('SIGTERM');
  await control.exit;
});

t.test(
  'killed at any moment, control leaves no change without its entry and no entry without its change',
  async (t) => {
    for (let round = 0; round < 3; round += 1) {
      const control = await startOrFail();
      const tenants = Array.from({ length: 200 }, (_, index) => `{ slug: t${round}-${index} }`);
      const work = control.client
        .apply({ file: `${round}.yaml`, text: `tenants: [${tenants.join(', ')}]` })
        .catch(() => null);
      await delay(40 + Math.random() * 250);
      control.child.kill('SIGKILL');
      await Promise.all([work, control.exit]);
    }
    // A transaction of a killed process ends when the server notices.
    await until('no transaction is open', async () => {
      const open = await db
        .selectFrom('pg_stat_activity' as 'settings')
        .select('state' as 'name')
        .where('application_name' as 'name', '=', 'hoc-control')
        .execute();
      return open.every((row) => !String(Object.values(row)[0]).includes('transaction'));
    });
    const stored = await db.selectFrom('tenants').select('slug').where('slug', 'like', 't%').execute();
    const rows = await db.selectFrom('audit_entries').selectAll().execute();
    const records = rows.map((row) => JSON.parse(row.raw.toString('utf8')) as AuditRecord);
    const created = records.filter((record) => record.act === 'tenant.create' && record.object_id.startsWith('t'));
    t.same(created.map((record) => record.object_id).sort(), stored.map((row) => row.slug).sort());
    const manifests = await db.selectFrom('manifests').select('id').execute();
    const published = records.filter((record) => record.act === 'snapshot.publish').map((record) => record.object_id);
    t.same(published.sort(), manifests.map((row) => row.id).sort());
  },
);

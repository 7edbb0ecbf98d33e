import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { connectPostgres } from '../storage/postgres/index.ts';
import { connectRedis, createLiveWriter, createManifestChannel, readEpoch } from '../storage/redis/index.ts';
import type { Manifest, SignedManifest } from '../storage/schema/snapshot.ts';
import { runDoctor } from './doctor/main.ts';
import { runMigrate } from './migrate/main.ts';
import { launchInstallation, type StartedControl, until } from './test-installation.ts';

t.setTimeout(90_000);
const installation = await launchInstallation();
const { env, folder, start, startOrFail } = installation;
const db = connectPostgres(env.DATABASE_URL ?? '');
const redis = connectRedis(env.REDIS_URL ?? '');
t.teardown(async () => {
  redis.disconnect();
  await db.destroy();
  await installation.close();
});

async function manifestOf(control: StartedControl): Promise<Manifest & { id: string }> {
  const headers = { authorization: `Bearer ${env.HOC_NODE_TOKEN}` };
  const answer = (await (await fetch(`${control.console}/internal/v1/manifest`, { headers })).json()) as SignedManifest;
  return { ...(JSON.parse(answer.manifest) as Manifest), id: answer.id };
}

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
  t.same(
    [...first.postgres, ...second.postgres],
    ['0001-control-state', '0002-counters', '0003-tenant-settings', '0004-acknowledgements', '0005-snapshots'],
  );
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

  const live = { proxy_epoch: 1, at_ms: 0, manifest_id: null, manifest_sequence: null, running: 0, draining: false };
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
  const doctor = { HOC_URL: control.console, HOC_TOKEN: env.HOC_SERVICE_TOKEN };
  t.equal(await runDoctor({ env: doctor, json: true }), 1, 'no proxy has the manifest');

  control.child.kill('SIGTERM');
  t.equal(await control.exit, 0);
  t.notMatch(control.stderr(), /canary/);
});

t.test('a second start changes nothing; counters that Redis lost are an alarm, never reset in silence', async (t) => {
  const before = await db.selectFrom('audit_entries').select('sequence').execute();
  await redis.flushall();
  const control = await startOrFail();
  t.equal((await db.selectFrom('audit_entries').select('sequence').execute()).length, before.length);
  const readMetrics = async (): Promise<string> => (await fetch(`${control.admin}/metrics`)).text();
  await until('the alarm', async () => /hoc_counters_invalid 1/.test(await readMetrics()));
  t.equal(await readEpoch(redis, 'acme'), null);
  t.match(control.stderr(), /the limit counters of tenants are invalid/);
  control.child.stdin?.end();
  t.equal(await control.exit, 0, 'it ends with its parent');
});

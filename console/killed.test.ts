import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import t from 'tap';
import { connectPostgres } from '../storage/postgres/index.ts';
import type { AuditRecord } from '../storage/schema/audit.ts';
import { runMigrate } from './migrate/main.ts';
import { launchInstallation, until } from './test-installation.ts';

t.setTimeout(90_000);
const installation = await launchInstallation();
const { env, startOrFail } = installation;
const db = connectPostgres(env.DATABASE_URL ?? '');
t.teardown(async () => {
  await db.destroy();
  await installation.close();
});

const rounds = 4;
const tenantsARound = 200;

t.test('killed at any moment, control leaves no change without its entry, nor the reverse', async (t) => {
  t.setTimeout(80_000);
  await runMigrate(env);
  let wholeMs = 0;
  for (let round = 0; round < rounds; round += 1) {
    const control = await startOrFail();
    const tenants = Array.from({ length: tenantsARound }, (_, index) => `{ slug: t${round}-${index} }`);
    const text = `tenants: [${tenants.join(', ')}]`;
    const startedMs = Date.now();
    const work = control.client.apply({ file: `${round}.yaml`, text }).catch(() => null);
    // The first round ends, and says how long one takes; the others are cut somewhere in it.
    if (round === 0) await work;
    else await delay(Math.random() * wholeMs);
    if (round === 0) wholeMs = Date.now() - startedMs;
    control.child.kill('SIGKILL');
    await Promise.all([work, control.exit]);
  }
  // The transaction of a killed process ends when the server notices.
  await until('no transaction is open', async () => {
    const open = await sql<{ count: number }>`select count(*) as count from pg_stat_activity
      where application_name = 'hoc-control' and pid <> pg_backend_pid() and state like '%transaction%'`.execute(db);
    return open.rows[0]?.count === 0;
  });
  const stored = await db.selectFrom('tenants').select('slug').where('slug', 'like', 't%').execute();
  t.equal(stored.length % tenantsARound, 0, 'a file stands whole or not at all');
  const rows = await db.selectFrom('audit_entries').selectAll().execute();
  const records = rows.map((row) => JSON.parse(row.raw.toString('utf8')) as AuditRecord);
  const created = records.filter((record) => record.act === 'tenant.create').map((record) => record.object_id);
  t.same(created.sort(), stored.map((row) => row.slug).sort());
  const manifests = await db.selectFrom('manifests').select('id').execute();
  const published = records.filter((record) => record.act === 'snapshot.publish').map((record) => record.object_id);
  t.same(published.sort(), manifests.map((row) => row.id).sort());
  t.comment(`${stored.length} of ${rounds * tenantsARound} tenants stand; an apply took ${wholeMs} ms`);
});

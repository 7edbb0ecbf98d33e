import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { sql } from 'kysely';
import t from 'tap';
import type { TenantRow } from '../schema/control.ts';
import {
  connectPostgres,
  createControlStore,
  migratePostgres,
  readPendingMigrations,
  withMigrationLock,
} from './index.ts';
import { launchPostgres } from './test-postgres.ts';

const tenant: TenantRow = {
  slug: 'acme',
  owner: 'api',
  state: 'active',
  capture: 'full',
  approvals: 'single',
  limit_defaults: '{}',
  settings: '{}',
  counter_epoch: 'e1',
  counters_written: false,
  policy_sha256: null,
  keys_sha256: null,
  created_at_ms: 1_700_000_000_000,
};

const debian = '/usr/lib/postgresql/15/bin';
const installations = [{ name: 'embedded', options: {} }];
if (existsSync(debian)) installations.push({ name: 'Debian 15', options: { bin: debian } });

for (const installation of installations) {
  t.test(`the control database on PostgreSQL (${installation.name})`, async (t) => {
    const server = await launchPostgres(installation.options);
    const db = connectPostgres(server.url);
    const store = createControlStore(db);
    t.teardown(async () => {
      await store.close();
      await server.stop();
    });

    await t.test('two callers migrate at once: each migration runs exactly once', async (t) => {
      const other = connectPostgres(server.url);
      const both = await Promise.all([db, other].map((each) => withMigrationLock(each, () => migratePostgres(each))));
      t.same(both.flat().sort(), [
        '0001-control-state',
        '0002-counters',
        '0003-tenant-settings',
        '0004-acknowledgements',
        '0005-snapshots',
      ]);
      t.same(await readPendingMigrations(db), []);
      await other.destroy();
    });

    await t.test('rows come back as they were written', async (t) => {
      await store.transaction((tx) => tx.insertTenant(tenant));
      t.same(await store.transaction((tx) => tx.readTenant('acme')), tenant);
      const [objects] = await store.transaction((tx) => tx.readTenantObjects(['acme', 'nobody']));
      t.same(objects?.tenant, tenant);
      t.same(objects?.keys, []);
    });

    await t.test('a transaction that throws leaves nothing', async (t) => {
      const work = store.transaction(async (tx) => {
        await tx.insertTenant({ ...tenant, slug: 'globex' });
        throw new Error('stop');
      });
      await t.rejects(work, { code: 'internal' });
      t.equal(await store.transaction((tx) => tx.readTenant('globex')), null);
    });

    await t.test('a version is never edited or deleted, an audit entry neither', async (t) => {
      const policy = {
        tenant: 'acme',
        id: 'p',
        version: 1,
        owner: 'api',
        definition: '{}',
        created_at_ms: 1,
        state: 'active',
      } as const;
      await store.transaction((tx) => tx.insertPolicy(policy));
      await t.rejects(db.updateTable('policies').set({ definition: '[]' }).execute(), /never edited/);
      await t.rejects(db.deleteFrom('policies').execute(), /never deleted/);
      await store.transaction((tx) => tx.updatePolicyState(policy, 'retired'));
      t.equal((await store.transaction((tx) => tx.readPolicyVersions('acme'))).get('p'), 1);
      const open = {
        tenant: 'acme',
        sequence: 1,
        actor_salt: '',
        actor_value: '',
        from_address: null,
        before: null,
        after: null,
      };
      const entry = { tenant: 'acme', sequence: 1, raw: Buffer.from('{}'), leaf_hash: '', at_ms: 1 };
      await store.transaction(async (tx) => {
        t.equal(await tx.takeAuditSequences('acme', 1), 1);
        await tx.insertAuditEntries([entry], [open]);
      });
      await t.rejects(db.updateTable('audit_entries').set({ leaf_hash: 'x' }).execute(), /never edited/);
      await t.rejects(db.deleteFrom('audit_entries').execute(), /never edited/);
      await t.rejects(sql`truncate audit_entries cascade`.execute(db), /never edited/);
    });

    await t.test('sequences stay gapless when transactions roll back', async (t) => {
      const take = (fail: boolean): Promise<number> =>
        store.transaction(async (tx) => {
          const first = await tx.takeAuditSequences('globex', 2);
          if (fail) throw new Error('stop');
          return first;
        });
      const results = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => take(index % 3 === 0)));
      const firsts = results
        .flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
        .sort((a, b) => a - b);
      t.same(
        firsts,
        Array.from({ length: 13 }, (_, index) => 1 + index * 2),
      );
    });

    await t.test('two live keys never share a secret or a name, revoked ones may', async (t) => {
      const key = {
        id: 'key_1',
        tenant: 'acme',
        name: 'app',
        hash: 'h1',
        state: 'active' as const,
        listed: true,
        sub_tenant: null,
        provider: null,
        actor: null,
        expires_at_ms: null,
        owner: 'api',
        created_at_ms: 1,
        revoked_at_ms: null,
        revoked_by: null,
      };
      await store.transaction((tx) => tx.insertKey(key));
      await t.rejects(
        store.transaction((tx) => tx.insertKey({ ...key, id: 'key_2', name: 'b' })),
        { code: 'conflict' },
      );
      await t.rejects(
        store.transaction((tx) => tx.insertKey({ ...key, id: 'key_2', hash: 'h2' })),
        { code: 'conflict' },
      );
      await store.transaction((tx) => tx.updateKey('key_1', { state: 'revoked', revoked_at_ms: 2 }));
      t.same(await store.transaction((tx) => tx.unlistRevokedKeys('h1')), ['acme']);
      await store.transaction((tx) => tx.insertKey({ ...key, id: 'key_2' }));
      const [objects] = await store.transaction((tx) => tx.readTenantObjects(['acme']));
      t.same(
        objects?.keys.map((row) => row.id),
        ['key_2'],
      );
    });

    await t.test('a server that is away is engine_unavailable', async (t) => {
      const away = createControlStore(connectPostgres('postgres://hoc@127.0.0.1:1/x'));
      await t.rejects(away.ping(), { code: 'engine_unavailable' });
      await away.close();
    });
  });
}

t.test('the server of a test ends with its stop', async (t) => {
  const server = await launchPostgres();
  await server.stop();
  t.not(spawnSync('kill', ['-0', `${server.pid}`]).status, 0);
});

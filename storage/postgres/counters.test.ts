import t from 'tap';
import type { CounterRebuildRow, TenantRow } from '../schema/control.ts';
import { connectPostgres, createControlStore, migratePostgres } from './index.ts';
import { launchPostgres } from './test-postgres.ts';

const server = await launchPostgres();
const db = connectPostgres(server.url);
const store = createControlStore(db);
t.teardown(async () => {
  await store.close();
  await server.stop();
});
await migratePostgres(db);

const tenant: TenantRow = {
  slug: 'acme',
  owner: 'api',
  state: 'active',
  capture: 'full',
  approvals: 'single',
  limit_defaults: '{}',
  settings: '{}',
  counter_epoch: 'e1',
  counters_written: true,
  policy_sha256: null,
  keys_sha256: null,
  created_at_ms: 1,
};
const rebuild: CounterRebuildRow = {
  tenant: 'acme',
  counter_epoch: 'e2',
  cause: 'lost',
  state: 'waiting',
  opened_at_ms: 5,
  accepted: '[]',
  waiting: '[]',
  wait_recorded: false,
};
const mark = {
  tenant: 'acme',
  counter_epoch: 'e2',
  proxy_id: 'p1',
  proxy_epoch: 4_000_000_000,
  last_seq: 7,
  open: '[]',
  at_ms: 6,
};

t.test('one holder at a time has a lease, renews it, and loses it when it stops renewing', async (t) => {
  const take = (holder: string, ttlMs: number): Promise<boolean> =>
    store.transaction((tx) => tx.takeLease({ name: 'counters', holder, ttlMs }));
  const taken = await Promise.all(['a', 'b', 'c', 'd'].map((holder) => take(holder, 60_000)));
  t.equal(taken.filter(Boolean).length, 1);
  const holder = ['a', 'b', 'c', 'd'][taken.indexOf(true)] ?? '';
  t.equal(await take(holder, 1), true, 'it may renew, also for a shorter time');
  const end = Date.now() + 5_000;
  let others = false;
  while (!others && Date.now() < end) others = await take('other', 60_000);
  t.equal(others, true, 'what ran out is free');
  t.equal(await take(holder, 60_000), false);
});

t.test('a report and a sign of life of one proxy meet in one row, whichever comes first', async (t) => {
  await store.transaction(async (tx) => {
    await tx.saveLiveProxies([{ proxy_id: 'p1', live_at_ms: 10, live_epoch: 3 }]);
    await tx.saveSpoolReport({ proxy_id: 'p1', report: '{}', reported_at_ms: 11 });
    await tx.saveSpoolReport({ proxy_id: 'p2', report: '{"a":1}', reported_at_ms: 12 });
    await tx.saveLiveProxies([
      { proxy_id: 'p1', live_at_ms: 20, live_epoch: 4 },
      { proxy_id: 'p2', live_at_ms: 20, live_epoch: 1 },
    ]);
    await tx.saveLiveProxies([]);
  });
  t.same(await store.transaction((tx) => tx.readSpools()), [
    { proxy_id: 'p1', known_at_ms: 10, report: '{}', reported_at_ms: 11, live_at_ms: 20, live_epoch: 4 },
    { proxy_id: 'p2', known_at_ms: 12, report: '{"a":1}', reported_at_ms: 12, live_at_ms: 20, live_epoch: 1 },
  ]);
  await store.transaction((tx) => tx.deleteSpool('p1'));
  t.same(
    (await store.transaction((tx) => tx.readSpools())).map((row) => row.proxy_id),
    ['p2'],
  );
});

t.test('a rebuild is changed and ended under its own epoch only, and a new one drops the marks before', async (t) => {
  await store.transaction((tx) => tx.insertTenant(tenant));
  await store.transaction(async (tx) => {
    await tx.saveRebuild(rebuild);
    await tx.saveMark(mark);
    await tx.saveMark({ ...mark, last_seq: 9 });
  });
  t.same(await store.transaction((tx) => tx.readMarks(rebuild)), [mark], 'a mark never moves');
  const later = { ...rebuild, counter_epoch: 'e3' };
  await store.transaction((tx) => tx.saveRebuild(later));
  t.same(await store.transaction((tx) => tx.readMarks(rebuild)), []);
  t.equal(await store.transaction((tx) => tx.updateRebuild(rebuild, { state: 'restoring' })), false);
  t.equal(await store.transaction((tx) => tx.deleteRebuild(rebuild)), false);
  t.equal(await store.transaction((tx) => tx.updateRebuild(later, { state: 'restoring' })), true);
  t.same(await store.transaction((tx) => tx.readRebuilds()), [{ ...later, state: 'restoring' }]);
  t.equal(await store.transaction((tx) => tx.deleteRebuild(later)), true);
  t.same(await store.transaction((tx) => tx.readRebuilds()), []);
});

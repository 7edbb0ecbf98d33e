import { randomUUID } from 'node:crypto';
import t from 'tap';
import type { RebuiltCounter } from '../schema/reservation.ts';
import { invalidateEpoch, readCounters, readEpoch, restoreCounters, writeEpochIfAbsent } from './index.ts';
import { limitKeys, restoreKey, tenantPrefix } from './keys.ts';
import { restoreSources } from './script.ts';
import { type Client, closeClient, day, item, minute, newTenant, openClient, request } from './test-clients.ts';
import { type RedisServer, startRedisServer } from './test-server.ts';

let server: RedisServer;
let client: Client;
const epochs = new Map<string, string>();
const none = { align: 'none' } as const;

t.before(async () => {
  server = await startRedisServer();
  client = await openClient(server.url, { epochOf: (tenant) => epochs.get(tenant) ?? 'e1' });
});

t.teardown(async () => {
  await closeClient(client);
  await server.stop();
});

const used = (amount: bigint, key = 'c:l:*'): RebuiltCounter => ({
  key,
  window: day,
  used: [{ atMs: Date.now(), amount }],
});

t.test('a restored tenant stands where the records say, and takes the settlements of its open runs', async (t) => {
  const { redis, reservations } = client;
  const tenant = await newTenant(redis);
  await reservations.reserve(request(tenant, [item(99n, 100n)], 'forgotten'));
  await redis.set(`${tenantPrefix(tenant)}c:garbage:*;n`, 'x');
  const open = [
    { runId: 'run', atMs: Date.now(), expiresInMs: 600_000, items: [{ key: 'c:l:*', window: day, amount: 30n }] },
    { runId: 'slot', atMs: Date.now(), expiresInMs: 600_000, items: [{ key: 'c:slots:*', window: none, amount: 1n }] },
  ];
  const rolling = { key: 'c:rpm:*', window: minute, used: [{ atMs: Date.now() - 30_000, amount: 7n }] };
  epochs.set(tenant, 'e2');
  await restoreCounters(redis, { tenant, epoch: 'e2', counters: [used(40n), rolling], open });
  const items = [
    { key: 'c:l:*', window: day },
    { key: 'c:rpm:*', window: minute },
    { key: 'c:slots:*', window: none },
  ];
  t.match(await readCounters(redis, tenant, items), [
    { used: 40n, reserved: 30n },
    { used: 7n, reserved: 0n },
    { used: 0n, reserved: 1n },
  ]);
  t.equal(await redis.exists(`${tenantPrefix(tenant)}c:garbage:*;n`, restoreKey(tenant)), 0);
  t.match(await reservations.reserve(request(tenant, [item(31n, 100n)])), { kind: 'refused' });
  await reservations.settle([
    { tenant, runId: 'run', items: [{ key: 'c:l:*', amount: 12n }] },
    { tenant, runId: 'slot', items: [] },
    { tenant, runId: 'forgotten', items: [{ key: 'c:l:*', amount: 99n }] },
  ]);
  t.match(await readCounters(redis, tenant, items), [{ used: 52n, reserved: 0n }, {}, { reserved: 0n }]);
  const [, runs, due] = limitKeys(tenant);
  t.equal(await redis.exists(runs, due), 0);
});

t.test('a restoration that is repeated changes nothing that was reserved since', async (t) => {
  const { redis, reservations } = client;
  const tenant = await newTenant(redis);
  epochs.set(tenant, 'e2');
  const restoration = { tenant, epoch: 'e2', counters: [used(40n)], open: [] };
  await restoreCounters(redis, restoration);
  await reservations.reserve(request(tenant, [item(5n, 100n)]));
  await restoreCounters(redis, restoration);
  t.match(await readCounters(redis, tenant, [{ key: 'c:l:*', window: day }]), [{ used: 40n, reserved: 5n }]);
});

t.test('of two controls at once one restores and the other is told; other tenants are left alone', async (t) => {
  const { redis, reservations } = client;
  const [tenant, neighbour] = [await newTenant(redis), `${randomUUID()}`];
  await writeEpochIfAbsent(redis, neighbour, 'e1');
  await reservations.reserve(request(neighbour, [item(9n, 100n)]));
  const counters = Array.from({ length: 3000 }, (_, number) => used(BigInt(number), `c:l:${number}`));
  const open = Array.from({ length: 3000 }, (_, number) => ({
    runId: `run-${number}`,
    atMs: Date.now(),
    expiresInMs: 600_000,
    items: [{ key: `c:l:${number % 10}`, window: day, amount: 1n }],
  }));
  const results = await Promise.allSettled(
    [1, 2, 3].map(() => restoreCounters(redis, { tenant, epoch: 'e2', counters, open })),
  );
  const done = results.filter(({ status }) => status === 'fulfilled').length;
  t.ok(done >= 1, `${done} of 3 did it or found it done`);
  for (const one of results) if (one.status === 'rejected') t.match(one.reason, { code: 'conflict' });
  const readings = await readCounters(redis, tenant, counters);
  t.ok(readings.every((one, number) => one.used === BigInt(number) && one.reserved === (number < 10 ? 300n : 0n)));
  t.match(await readCounters(redis, neighbour, [{ key: 'c:l:*', window: day }]), [{ reserved: 9n }]);
  t.equal(await readEpoch(redis, tenant), 'e2');
});

t.test('from its beginning to its end the tenant is refused, and whoever was overtaken writes no epoch', async (t) => {
  const { redis, reservations } = client;
  const tenant = await newTenant(redis);
  const token = restoreKey(tenant);
  const counters = Array.from({ length: 20_000 }, (_, number) => used(1n, `c:l:${number}`));
  const slow = restoreCounters(redis, { tenant, epoch: 'e2', counters, open: [] });
  while ((await redis.get(token)) === null) await new Promise((resolve) => setImmediate(resolve));
  t.match(await reservations.reserve(request(tenant, [item(1n, 100n)])), { kind: 'down', reason: 'counters_invalid' });
  t.equal(await readEpoch(redis, tenant), null);
  await redis.set(token, 'another');
  await t.rejects(slow, { code: 'conflict' });
  t.equal(await readEpoch(redis, tenant), null);
  await t.rejects(restoreCounters(redis, { tenant, epoch: 'e2', counters, open: [] }), { code: 'conflict' });
  await redis.del(token);
  await restoreCounters(redis, { tenant, epoch: 'e2', counters, open: [] });
  t.equal(await readEpoch(redis, tenant), 'e2');
});

t.test('whoever is overtaken at the very end writes no epoch', async (t) => {
  const { redis } = client;
  const tenant = await newTenant(redis);
  const sources = restoreSources();
  const overtaken = `redis.call('SET', KEYS[2], 'another')\n${sources.end}`;
  const restoration = { tenant, epoch: 'e2', counters: [used(1n)], open: [] };
  await t.rejects(restoreCounters(redis, restoration, { ...sources, end: overtaken }), { code: 'conflict' });
  t.equal(await readEpoch(redis, tenant), null);
});

t.test('what is past due counts as spent; what no window counts is left out; a clock ahead counts now', async (t) => {
  const { redis, reservations } = client;
  const tenant = await newTenant(redis);
  epochs.set(tenant, 'e2');
  const now = Date.now();
  const dayMs = 86_400_000;
  const held = (amount: bigint) => [
    { key: 'c:l:*', window: day, amount },
    { key: 'c:slots:*', window: none, amount: 1n },
  ];
  await restoreCounters(redis, {
    tenant,
    epoch: 'e2',
    counters: [
      {
        key: 'c:l:*',
        window: day,
        used: [
          { atMs: now - 2 * dayMs, amount: 1000n },
          { atMs: now + dayMs, amount: 3n },
        ],
      },
      { key: 'c:old:*', window: minute, used: [{ atMs: now - dayMs, amount: 1n }] },
    ],
    open: [{ runId: 'late', atMs: now - 10, expiresInMs: 5, items: held(20n) }],
  });
  const items = [
    { key: 'c:l:*', window: day },
    { key: 'c:slots:*', window: none },
    { key: 'c:old:*', window: minute },
  ];
  // The ten milliseconds may lie on both sides of midnight, once in a while.
  if (Math.floor((now - 10) / dayMs) !== Math.floor(Date.now() / dayMs)) return;
  t.match(await readCounters(redis, tenant, items), [{ used: 23n, reserved: 0n }, { reserved: 0n }, { used: 0n }]);
  t.match(await reservations.reserve(request(tenant, [item(20n, 100n)], 'late')), {
    readings: [{ used: 3n, reserved: 20n }],
  });
});

t.test('an epoch is invalidated only where it is the one that stands', async (t) => {
  const { redis } = client;
  const tenant = await newTenant(redis);
  t.equal(await invalidateEpoch(redis, tenant, 'e0'), false);
  t.equal(await readEpoch(redis, tenant), 'e1');
  t.equal(await invalidateEpoch(redis, tenant, 'e1'), true);
  t.equal(await readEpoch(redis, tenant), null);
});

t.test('amounts below zero and instants that are none are refused before anything is removed', async (t) => {
  const { redis } = client;
  const tenant = await newTenant(redis);
  for (const entry of [
    { atMs: 1, amount: -1n },
    { atMs: 0.5, amount: 1n },
  ]) {
    const counters = [{ key: 'c:l:*', window: day, used: [entry] }];
    await t.rejects(restoreCounters(redis, { tenant, epoch: 'e2', counters, open: [] }), { code: 'internal' });
  }
  t.equal(await readEpoch(redis, tenant), 'e1');
});

t.test('what a run holds is restored where it counts by then, and who is gone stays gone', async (t) => {
  const { redis, reservations } = client;
  const tenant = await newTenant(redis);
  epochs.set(tenant, 'e2');
  const [atMs, now] = [Date.now() - 2 * 86_400_000, Date.now()];
  const items = [
    { key: 'c:l:*', window: day, amount: 30n, atMs: now },
    { key: 'c:rpm:*', window: minute, amount: 2n },
  ];
  const open = [
    { runId: 'long', atMs, expiresInMs: now - atMs + 600_000, items },
    { runId: 'long', atMs, expiresInMs: 1, items: [{ key: 'c:l:*', window: day, amount: 20n }] },
  ];
  const untilMs = now + 600_000;
  const gone = [
    { runId: 'dead', untilMs },
    { runId: 'long', untilMs },
    { runId: 'past', untilMs: now - 1 },
  ];
  await restoreCounters(redis, { tenant, epoch: 'e2', counters: [], open, gone });
  t.match(await readCounters(redis, tenant, items), [{ reserved: 30n }, { reserved: 0n }]);
  t.same(await reservations.reserve(request(tenant, [item(1n, 100n)], 'dead')), { kind: 'gone' });
  t.match(await reservations.reserve(request(tenant, [item(1n, 100n)], 'past')), { kind: 'granted' });
  await reservations.settle([{ tenant, runId: 'long', items: [{ key: 'c:l:*', amount: 25n }] }]);
  t.match(await readCounters(redis, tenant, items), [{ used: 25n, reserved: 1n }, {}]);
});

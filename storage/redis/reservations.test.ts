import t from 'tap';
import type { ReserveReply } from '../schema/reservation.ts';
import { type ReservationsOptions, readCounterState, readCounters, writeEpochIfAbsent } from './index.ts';
import { limitKeys } from './keys.ts';
import { type Client, closeClient, day, item, minute, newTenant, openClient, request, until } from './test-clients.ts';
import { type RedisServer, startRedisServer } from './test-server.ts';

const epoch = 'e1';

let server: RedisServer;
const clients: Client[] = [];

async function connect(options: Partial<ReservationsOptions> = {}): Promise<Client> {
  const client = await openClient(server.url, options);
  clients.push(client);
  return client;
}

const count = (replies: ReserveReply[], kind: ReserveReply['kind']) =>
  replies.filter((one) => one.kind === kind).length;

t.before(async () => {
  server = await startRedisServer();
});

t.afterEach(async () => {
  for (const client of clients.splice(0)) await closeClient(client);
});

t.teardown(() => server.stop());

t.test('a thousand parallel callers on four proxies get exactly what fits', async (t) => {
  const four = [await connect(), await connect(), await connect(), await connect()];
  const [{ redis } = await connect()] = four;
  const tenant = await newTenant(redis);
  const items = (number: number) => [
    item(1n, 137n, { key: 'c:rpm:*', window: minute }),
    item(BigInt(1 + (number % 7)) * 1_000_000_007n, 9_000_000_000_000_000n, { key: 'c:money:*' }),
  ];
  const replies = await Promise.all(
    Array.from({ length: 1000 }, (_, number) =>
      (four[number % 4] as Client).reservations.reserve(request(tenant, items(number))),
    ),
  );
  t.equal(count(replies, 'granted'), 137);
  t.equal(count(replies, 'refused'), 863);
  const [requests] = await readCounters(redis, tenant, [{ key: 'c:rpm:*', window: minute }]);
  t.equal(requests?.reserved, 137n);
});

t.test('a spent budget admits only amounts that still fit, to the last nano-dollar', async (t) => {
  const { redis, reservations } = await connect();
  const tenant = await newTenant(redis);
  const ceiling = 9_000_000_000_000_000n;
  t.match(await reservations.reserve(request(tenant, [item(ceiling - 1n, ceiling)])), {
    kind: 'granted',
    readings: [{ used: 0n, reserved: ceiling - 1n }],
  });
  t.match(await reservations.reserve(request(tenant, [item(2n, ceiling)])), {
    kind: 'refused',
    refused: 0,
    readings: [{ used: 0n, reserved: ceiling - 1n }],
  });
  t.match(await reservations.reserve(request(tenant, [item(1n, ceiling)])), { readings: [{ reserved: ceiling }] });
});

t.test('requests of one turn go in one call and are applied in order, settlements first', async (t) => {
  const { redis, reservations } = await connect();
  const tenant = await newTenant(redis);
  await reservations.reserve(request(tenant, [item(60n, 100n)], 'old'));
  await redis.config('RESETSTAT');
  const replies = await Promise.all([
    ...[50n, 51n, 50n, 1n].map((amount) => reservations.reserve(request(tenant, [item(amount, 100n)]))),
    reservations.settle([{ tenant, runId: 'old', items: [] }]),
  ]);
  t.strictSame(
    replies.map((reply) => reply?.kind),
    ['granted', 'refused', 'granted', 'refused', undefined],
  );
  t.match(await redis.info('commandstats'), /cmdstat_evalsha:calls=1,/);
});

t.test('tenants do not share counters, whatever their names hold', async (t) => {
  const { redis, reservations } = await connect();
  const names = ['a', 'a}', 'a}:c:x', '{a}', 'a%007d', 'a:b', ' ', '\u0000', 'ü', 'a\r\nb', '*', ''];
  for (const tenant of names) await writeEpochIfAbsent(redis, tenant, epoch);
  const replies = await Promise.all(
    names.map((tenant) => reservations.reserve(request(tenant, [item(1n, 1n)], 'same-run'))),
  );
  t.equal(count(replies, 'granted'), names.length);
});

t.test('run ids and counter keys are bytes, whatever they hold', async (t) => {
  const { redis, reservations } = await connect();
  const tenant = await newTenant(redis);
  const hostile = [
    '',
    '\u0000',
    '-inf',
    '+inf',
    '(1',
    "'); redis.call('FLUSHALL')",
    '"\r\n*1\r\n$8\r\nFLUSHALL\r\n',
    '😀',
    '{x}',
    ';n',
    '0',
  ];
  for (const runId of hostile) {
    const key = `c:${runId}`;
    t.match(await reservations.reserve(request(tenant, [item(2n, 3n, { key })], runId)), { kind: 'granted' });
    await reservations.settle([{ tenant, runId, items: [{ key, amount: 1n }] }]);
    t.match(await readCounters(redis, tenant, [{ key, window: day }]), [{ used: 1n, reserved: 0n }]);
  }
});

t.test('a Redis that lost its counters counts as down and resets no limit', async (t) => {
  const { redis, reservations } = await connect();
  const tenant = await newTenant(redis);
  await reservations.reserve(request(tenant, [item(1n, 1n)]));
  await redis.flushall();
  t.strictSame(await reservations.reserve(request(tenant, [item(1n, 1n)])), {
    kind: 'down',
    reason: 'counters_invalid',
  });
  await t.rejects(reservations.settle([{ tenant, runId: 'x', items: [] }]), { code: 'engine_unavailable' });
  t.strictSame(await redis.keys('*'), [], 'nothing was written');
  await writeEpochIfAbsent(redis, tenant, 'another');
  t.strictSame(await reservations.reserve(request(tenant, [item(1n, 1n)])), {
    kind: 'down',
    reason: 'counters_invalid',
  });
});

t.test('a tenant without a known epoch counts as down', async (t) => {
  const { reservations } = await connect({ epochOf: () => null });
  t.strictSame(await reservations.reserve(request('t', [item(1n, 1n)])), { kind: 'down', reason: 'epoch_unknown' });
});

t.test('a script that Redis forgot is sent again', async (t) => {
  const { redis, reservations } = await connect();
  const tenant = await newTenant(redis);
  await redis.script('FLUSH');
  t.match(await reservations.reserve(request(tenant, [item(1n, 1n)])), { kind: 'granted' });
});

t.test('data of another kind under a key of one tenant stops that tenant only, and changes nothing', async (t) => {
  const { redis, reservations } = await connect();
  const [broken, sound] = [await newTenant(redis), await newTenant(redis)];
  await redis.lpush(`hoc:{${broken}}:c:b:*;u86400000`, 'x');
  for (let number = 0; number < 8; number += 1) {
    const items = [item(1n, 9n, { key: 'c:a:*' }), item(1n, 9n, { key: 'c:b:*' })];
    t.strictSame(await reservations.reserve(request(broken, items)), { kind: 'down', reason: 'redis_error:WRONGTYPE' });
  }
  t.match(await readCounters(redis, broken, [{ key: 'c:a:*', window: day }]), [{ used: 0n, reserved: 0n }]);
  t.match(await reservations.reserve(request(sound, [item(1n, 1n)])), { kind: 'granted' });
});

t.test('amounts that no counter holds exactly are refused before Redis is asked', async (t) => {
  const { reservations } = await connect();
  const over = 9_000_000_000_000_001n;
  for (const items of [[item(over, over)], [item(-1n, 1n)], [item(1n, over)], [item(1n, 2n), item(1n, 2n)]]) {
    await t.rejects(reservations.reserve(request('t', items)), { code: 'internal' });
  }
  await t.rejects(reservations.settle([{ tenant: 't', runId: 'r', items: [{ key: 'k', amount: over }] }]));
});

t.test('a thousand settlements in one go are all done, twice without harm', async (t) => {
  const { redis, reservations } = await connect();
  const tenant = await newTenant(redis);
  const runs = Array.from({ length: 1000 }, (_, number) => `run-${number}`);
  await Promise.all(runs.map((runId) => reservations.reserve(request(tenant, [item(5n, 5000n)], runId))));
  const settles = runs.map((runId) => ({ tenant, runId, items: [{ key: 'c:l:*', amount: 3n }] }));
  await reservations.settle(settles);
  await reservations.settle(settles);
  t.match(await readCounters(redis, tenant, [{ key: 'c:l:*', window: day }]), [{ used: 3000n, reserved: 0n }]);
  const [, open, due] = limitKeys(tenant);
  t.equal((await redis.exists(open)) + (await redis.exists(due)), 0, 'nothing is kept of settled runs');
});

t.test('a Redis that may evict counters is not ready', async (t) => {
  const { redis, reservations } = await connect();
  await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
  await t.rejects(reservations.ready(), { code: 'not_ready', message: /noeviction/ });
  await redis.config('SET', 'maxmemory-policy', 'noeviction');
});

t.test('a hung Redis is answered for within 150 ms, then at once; late grants are given back', async (t) => {
  const { redis, reservations } = await connect({ timeoutMs: 100 });
  const tenant = await newTenant(redis);
  const other = await connect();
  server.signal('SIGSTOP');
  const waits: number[] = [];
  const ask = async () => {
    const start = performance.now();
    const reply = await reservations.reserve(request(tenant, [item(1n, 100n)]));
    waits.push(performance.now() - start);
    return reply;
  };
  for (let number = 0; number < 5; number += 1) t.strictSame(await ask(), { kind: 'down', reason: 'timeout' });
  // The median: a pause of this machine is not one of the driver.
  const median = waits.sort((a, b) => a - b)[2] ?? 0;
  t.ok(median >= 99 && median < 150, `${waits.map(Math.round)} ms`);
  t.equal(reservations.state().circuit, 'open');
  let turned = false;
  setImmediate(() => {
    turned = true;
  });
  const many = await Promise.all(Array.from({ length: 5000 }, ask));
  t.notOk(turned, 'within the same turn of the event loop');
  t.ok(many.every((reply) => reply.kind === 'down' && reply.reason === 'circuit_open'));
  t.equal(reservations.state().waitingRuns, 5, 'nothing piles up');
  await t.rejects(reservations.settle([{ tenant, runId: 'x', items: [] }]), { code: 'engine_unavailable' });
  server.signal('SIGCONT');
  await until('the circuit closes', () => reservations.state().circuit === 'closed');
  await until('late grants are given back', async () => {
    const [reading] = await readCounters(other.redis, tenant, [{ key: 'c:l:*', window: day }]);
    return reading?.reserved === 0n && reading.used === 0n && reservations.state().strayRuns === 0;
  });
  t.match(await ask(), { kind: 'granted' });
});

t.test('a connection that breaks before the answer is answered down, and what was granted is given back', async (t) => {
  const { redis, reservations } = await connect({ timeoutMs: 10_000 });
  const tenant = await newTenant(redis);
  const other = await connect();
  server.signal('SIGSTOP');
  const waiting = reservations.reserve(request(tenant, [item(1n, 100n)]));
  await until('it was sent', () => reservations.state().waitingRuns === 1);
  await new Promise((resolve) => setImmediate(resolve));
  redis.disconnect(true);
  t.strictSame(await waiting, { kind: 'down', reason: 'connection' });
  t.strictSame(await reservations.reserve(request(tenant, [item(1n, 100n)])), { kind: 'down', reason: 'connection' });
  t.equal(reservations.state().strayRuns, 1, 'only what was sent may have been granted');
  server.signal('SIGCONT');
  await until('it is given back', () => reservations.state().strayRuns === 0 && redis.status === 'ready');
  t.match(await reservations.reserve(request(tenant, [item(1n, 100n)], 'next')), {
    readings: [{ used: 0n, reserved: 1n }],
  });
  await reservations.settle([{ tenant, runId: 'next', items: [] }]);
  t.match(await readCounters(other.redis, tenant, [{ key: 'c:l:*', window: day }]), [{ used: 0n, reserved: 0n }]);
});

t.test('who waits while the driver closes is answered', async (t) => {
  const { redis, reservations } = await connect();
  const tenant = await newTenant(redis);
  const waiting = reservations.reserve(request(tenant, [item(1n, 1n)]));
  await reservations.close();
  t.strictSame(await waiting, { kind: 'down', reason: 'closed' });
  t.strictSame(await reservations.reserve(request(tenant, [item(1n, 1n)])), { kind: 'down', reason: 'closed' });
});

t.test('a top-up that comes too late leaves the run what it holds', async (t) => {
  const { redis, reservations } = await connect({ timeoutMs: 100 });
  const tenant = await newTenant(redis);
  const other = await connect();
  t.match(await reservations.reserve(request(tenant, [item(10n, 100n)], 'stream')), { kind: 'granted' });
  server.signal('SIGSTOP');
  const raised = reservations.reserve(request(tenant, [item(30n, 100n)], 'stream'));
  const fresh = reservations.reserve(request(tenant, [item(5n, 100n)], 'fresh'));
  t.strictSame([await raised, await fresh], Array(2).fill({ kind: 'down', reason: 'timeout' }));
  server.signal('SIGCONT');
  await until('the late first grant is given back', async () => {
    const [reading] = await readCounters(other.redis, tenant, [{ key: 'c:l:*', window: day }]);
    return reading?.reserved === 30n && reservations.state().waitingRuns + reservations.state().strayRuns === 0;
  });
  await reservations.settle([{ tenant, runId: 'stream', items: [{ key: 'c:l:*', amount: 25n }] }]);
  t.match(await readCounters(other.redis, tenant, [{ key: 'c:l:*', window: day }]), [{ used: 25n, reserved: 0n }]);
});

t.test('what was asked for again while its first grant was late stands when the second is told', async (t) => {
  const { redis, reservations } = await connect({ timeoutMs: 300 });
  const tenant = await newTenant(redis);
  server.signal('SIGSTOP');
  const first = await reservations.reserve(request(tenant, [item(10n, 100n)], 'again'));
  const second = reservations.reserve(request(tenant, [item(10n, 100n)], 'again'));
  server.signal('SIGCONT');
  t.strictSame(first, { kind: 'down', reason: 'timeout' });
  t.match(await second, { kind: 'granted' });
  await until('nothing is left to undo', () => reservations.state().strayRuns === 0);
  t.match(await reservations.reserve(request(tenant, [item(1n, 100n)])), { readings: [{ used: 0n, reserved: 11n }] });
});

t.test('a counter comes near once in its window, over all proxies', async (t) => {
  const four = [await connect(), await connect(), await connect(), await connect()];
  const tenant = await newTenant((four[0] as Client).redis);
  const near = (reply: ReserveReply) => reply.kind === 'granted' && reply.readings.some((one) => one.near);
  const replies = await Promise.all(
    Array.from({ length: 200 }, (_, number) =>
      (four[number % 4] as Client).reservations.reserve(
        request(tenant, [item(1n, 150n), item(1n, 190n, { key: 'c:rpm:*', window: minute })]),
      ),
    ),
  );
  t.equal(count(replies, 'granted'), 150);
  t.strictSame(
    replies.flatMap((one) => (near(one) && one.kind === 'granted' ? one.readings.map((reading) => reading.near) : [])),
    [true, false],
    'the day at 120 of 150; the minute would be near at 152 of 190',
  );
});

t.test('a run that was settled for good stays settled, whatever its paused proxy asks for when it wakes', async (t) => {
  const { redis, reservations } = await connect();
  const tenant = await newTenant(redis);
  await reservations.reserve(request(tenant, [item(30n, 100n)], 'paused'));
  const recovery = [{ tenant, runId: 'paused', items: [{ key: 'c:l:*', amount: 40n }], final: true as const }];
  await reservations.settle(recovery);
  const asked = [
    request(tenant, [item(60n, 100n)], 'paused'),
    { ...request(tenant, [item(30n, 100n)], 'paused'), raises: true as const },
  ];
  for (const one of asked) t.same(await reservations.reserve(one), { kind: 'gone' });
  await reservations.settle([{ tenant, runId: 'paused', items: [{ key: 'c:l:*', amount: 99n }] }]);
  await reservations.settle(recovery);
  t.match(await readCounters(redis, tenant, [item(0n, 0n)]), [{ used: 40n, reserved: 0n }]);
  const [, runs, due] = limitKeys(tenant);
  const untilMs = Number(await redis.zscore(due, 'paused'));
  t.ok(untilMs > Date.now() + 3_600_000, 'for more than an hour');
  await redis.zadd(due, 1, 'paused');
  await reservations.reserve(request(tenant, [item(1n, 100n)]));
  t.equal(await redis.hexists(runs, 'paused'), 0, 'and then that is forgotten');
});

t.test('a run that Redis never heard of is gone as well after a final settlement, which charges nothing', async (t) => {
  const { redis, reservations } = await connect();
  const tenant = await newTenant(redis);
  await reservations.settle([{ tenant, runId: 'r', items: [{ key: 'c:l:*', amount: 40n }], final: true }]);
  t.same(await reservations.reserve(request(tenant, [item(1n, 100n)], 'r')), { kind: 'gone' });
  t.match(await readCounters(redis, tenant, [item(0n, 0n)]), [{ used: 0n, reserved: 0n }]);
});

t.test('what was let through without counters is counted once, above any ceiling, however many tell it', async (t) => {
  const [proxy, shipper] = [await connect(), await connect({ callerId: 'shipper' })];
  const { redis } = proxy;
  const tenant = await newTenant(redis);
  const yesterday = Date.now() - 86_400_000;
  const counted = (runId: string, amount: bigint, atMs = Date.now()) => ({
    tenant,
    runId,
    atMs,
    items: [
      { key: 'c:l:*', window: day, amount },
      { key: 'c:rpm:*', window: minute, amount: 1n, atMs: Math.max(atMs, Date.now() - 30_000) },
      { key: 'c:slots:*', window: { align: 'none' as const }, amount: 1n },
    ],
  });
  await proxy.reservations.reserve(request(tenant, [item(90n, 100n)]));
  const runs = [counted('a', 50n), counted('b', 7n), counted('old', 1000n, yesterday)];
  await Promise.all([
    ...[proxy, shipper, proxy].map(({ reservations }) => reservations.countOnce(runs)),
    proxy.reservations.settle(runs.map(({ runId }) => ({ tenant, runId, items: [] }))),
  ]);
  for (const { reservations } of [shipper, proxy]) await reservations.countOnce(runs);
  const read = () => readCounters(redis, tenant, [item(0n, 0n), { key: 'c:rpm:*', window: minute }]);
  t.match(await read(), [
    { used: 57n, reserved: 90n },
    { used: 3n, reserved: 0n },
  ]);
  t.match(await proxy.reservations.reserve(request(tenant, [item(1n, 100n)])), { kind: 'refused' });
  t.same(await proxy.reservations.reserve(request(tenant, [item(1n, 100n)], 'a')), { kind: 'gone' });
  t.equal(await redis.exists(`${limitKeys(tenant)[0].slice(0, -5)}c:slots:*;n`), 0, 'a slot is over with its run');
});

t.test('a run that was granted late is counted at what it came to, beside nothing that it held', async (t) => {
  const { redis, reservations } = await connect();
  const tenant = await newTenant(redis);
  await reservations.reserve(request(tenant, [item(30n, 100n)], 'late'));
  const counted = { tenant, runId: 'late', atMs: Date.now(), items: [{ key: 'c:l:*', window: day, amount: 12n }] };
  await reservations.countOnce([counted]);
  await reservations.settle([{ tenant, runId: 'late', items: [] }]);
  t.match(await readCounters(redis, tenant, [item(0n, 0n)]), [{ used: 12n, reserved: 0n }]);
  for (const wrong of [
    { ...counted, atMs: -1 },
    { ...counted, items: [{ key: 'a', window: day, amount: -1n }] },
    { ...counted, items: [...counted.items, ...counted.items] },
  ]) {
    await t.rejects(reservations.countOnce([wrong]), { code: 'internal' });
  }
});

t.test(
  'a grant names what counts in the window of its own instant: all at first, then what began or moved there',
  async (t) => {
    const { redis, reservations } = await connect();
    const tenant = await newTenant(redis);
    const second = { align: 'rolling' as const, windowMs: 60 };
    const items = (amount: bigint) => [item(amount, 1000n), item(amount, 1000n, { key: 'c:quick:*', window: second })];
    const placed = async (amount: bigint) => {
      const reply = await reservations.reserve({ ...request(tenant, items(amount), 'run'), raises: true });
      return reply.kind === 'granted' ? reply.placed : undefined;
    };
    const first = await placed(1n);
    t.match(first?.items, [0, 1]);
    t.ok(Math.abs((first?.atMs ?? 0) - Date.now()) < 5_000);
    await until('the short window to pass', async () => {
      const [reading] = await readCounters(redis, tenant, [{ key: 'c:quick:*', window: second }]);
      return reading?.reserved === 0n;
    });
    t.same((await placed(1n))?.items, [0], 'a renewal moves nothing');
    const moved = await placed(2n);
    t.same(moved?.items, [0, 1]);
    t.ok((moved?.atMs ?? 0) > (first?.atMs ?? 0));
    const [reading] = await readCounters(redis, tenant, [item(0n, 0n)]);
    t.equal(reading?.reserved, 2n);
  },
);

t.test(
  'reservations that nobody settles are counted, and so are those of them that are settled after all',
  async (t) => {
    const { redis, reservations } = await connect();
    const tenant = await newTenant(redis);
    const slots = { key: 'c:slots:*', window: { align: 'none' as const } };
    const brief = (runId: string, fields = {}) => ({
      ...request(tenant, [item(5n, 100n, fields)], runId),
      expiresInMs: 1,
    });
    for (const runId of ['killed', 'slow', 'asleep']) await reservations.reserve(brief(runId));
    await reservations.reserve(brief('slot', slots));
    const look = async () => (await readCounterState(redis, tenant)).expired;
    await until('them to expire', async () => {
      await reservations.reserve(request(tenant, [item(1n, 100n)], 'another'));
      return (await look()).count === 3;
    });
    await reservations.settle([{ tenant, runId: 'slow', items: [{ key: 'c:l:*', amount: 1n }] }]);
    await reservations.reserve({ ...request(tenant, [item(5n, 100n)], 'asleep'), raises: true });
    const expired = await look();
    t.match(expired, { count: 3, madeGood: 2 }, 'a slot that is free again is none of them');
    t.ok((expired.firstAtMs ?? 0) > Date.now() - 60_000 && (expired.lastAtMs ?? 0) >= (expired.firstAtMs ?? 0));
    t.ok([...(await readCounterState(redis, tenant)).ticks.keys()].every((caller) => caller === 'test'));
  },
);

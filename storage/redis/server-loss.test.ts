import { randomUUID } from 'node:crypto';
import t from 'tap';
import type { ReserveReply } from '../schema/reservation.ts';
import { connectRedis, invalidateEpoch, readCounters, readEpoch, watchServer, writeEpochIfAbsent } from './index.ts';
import { limitKeys } from './keys.ts';
import { type Client, closeClient, day, item, newTenant, openClient, request, until } from './test-clients.ts';
import { type Forwarder, startForwarder } from './test-forwarder.ts';
import { type RedisServer, startRedisServer } from './test-server.ts';

const clients: Client[] = [];
const ends: (() => Promise<void>)[] = [];

async function start(extra: readonly string[] = []): Promise<RedisServer> {
  const server = await startRedisServer(extra);
  ends.push(() => server.stop());
  return server;
}

async function connect(url: string, options: Parameters<typeof openClient>[1] = {}): Promise<Client> {
  const client = await openClient(url, options);
  clients.push(client);
  return client;
}

t.afterEach(async () => {
  for (const client of clients.splice(0)) await closeClient(client);
  for (const end of ends.splice(0).reverse()) await end();
});

const durable = ['--appendonly', 'yes', '--appendfsync', 'everysec'];
const reading = { key: 'c:l:*', window: day };

/** Reserves 1 of `ceiling` from every client, `parallel` at a time, until told to stop; answers all replies. */
function load(on: readonly Client[], tenant: string, options: { ceiling: bigint; parallel: number }) {
  const replies: ReserveReply[] = [];
  let running = true;
  const lanes = on.flatMap(({ reservations }) =>
    Array.from({ length: options.parallel }, async () => {
      while (running) {
        replies.push(await reservations.reserve(request(tenant, [item(1n, options.ceiling)])));
        await new Promise((resolve) => setImmediate(resolve));
      }
    }),
  );
  return {
    replies,
    granted: () => replies.filter(({ kind }) => kind === 'granted').length,
    down: (reason: string) => replies.filter((one) => one.kind === 'down' && one.reason === reason).length,
    async stop() {
      running = false;
      await Promise.all(lanes);
    },
  };
}

t.test('after FLUSHALL under load nobody is granted anything again', async (t) => {
  const server = await start();
  const two = [await connect(server.url, { callerId: 'a' }), await connect(server.url, { callerId: 'b' })];
  const { redis } = await connect(server.url);
  const tenant = await newTenant(redis);
  const running = load(two, tenant, { ceiling: 9_000_000n, parallel: 20 });
  await until('it runs', () => running.granted() > 500);
  await redis.flushall();
  // Answers of calls that were done before are still on their way until each client has seen the loss.
  await until('the loss is seen', () => running.down('counters_invalid') > 200);
  const granted = running.granted();
  await until('it goes on', () => running.down('counters_invalid') > 2000);
  await running.stop();
  t.equal(running.granted(), granted);
  t.strictSame(await redis.keys('*'), [], 'and nothing is written');
});

t.test('a Redis that is killed and started again with its file goes on where it stood', async (t) => {
  const server = await start(durable);
  const client = await connect(server.url);
  const { redis, reservations } = client;
  const tenant = await newTenant(redis);
  const running = load([client], tenant, { ceiling: 9_000_000n, parallel: 20 });
  await until('it runs', () => running.granted() > 500);
  await server.kill();
  await until('it is seen', () => running.replies.some(({ kind }) => kind === 'down'));
  await running.stop();
  const granted = running.granted();
  await server.restart();
  await until('it is usable again', () => reservations.state().circuit === 'closed' && redis.status === 'ready');
  const reply = await reservations.reserve(request(tenant, [item(1n, 9_000_000n)]));
  if (reply.kind === 'down') {
    // A write that waited for a synchronisation of the file may be gone with the process; then it is noticed.
    t.equal(reply.reason, 'counters_stale');
    return;
  }
  await until('what may have been granted is given back', () => reservations.state().strayRuns === 0);
  const [stands] = await readCounters(redis, tenant, [reading]);
  t.equal(stands?.reserved, BigInt(granted) + 1n, 'every grant that was told stands, and no other');
});

t.test('an empty Redis in its place is refused, and nothing is written to it', async (t) => {
  const server = await start(durable);
  const { redis, reservations } = await connect(server.url);
  const tenant = await newTenant(redis);
  await reservations.reserve(request(tenant, [item(1n, 100n)]));
  const before = await watchServer(redis).check();
  await server.kill();
  await server.restart({ empty: true });
  await until('it is connected again', async () => {
    const reply = await reservations.reserve(request(tenant, [item(1n, 100n)]));
    return reply.kind === 'down' && reply.reason === 'counters_invalid';
  });
  t.strictSame(await redis.keys('*'), []);
  t.not((await watchServer(redis).check()).runId, before.runId, 'the watch sees another server');
});

t.test('what a broken connection had on its way is never done after it was undone', async (t) => {
  const server = await start();
  const forwarder = await startForwarder(server.port);
  ends.push(() => forwarder.close());
  const client = await connect(forwarder.url, { timeoutMs: 10_000 });
  const direct = await connect(server.url);
  const tenant = await newTenant(direct.redis);
  forwarder.hold();
  const waiting = client.reservations.reserve(request(tenant, [item(1n, 100n)], 'late'));
  await until('it is sent', () => client.reservations.state().waitingRuns === 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  forwarder.breakClients();
  t.strictSame(await waiting, { kind: 'down', reason: 'connection' });
  await until(
    'it is undone',
    () => client.reservations.state().strayRuns + client.reservations.state().waitingRuns === 0,
  );
  await forwarder.release();
  const [, runs, due] = limitKeys(tenant);
  t.equal(await direct.redis.exists(runs, due), 0);
});

interface Failover {
  primary: RedisServer;
  replica: RedisServer;
  forwarder: Forwarder;
  /** Cuts the replica off, as a lagging link would. */
  pause(): Promise<void>;
  /** Lets the replica take over with what it has. */
  promote(): void;
}

async function startPair(): Promise<Failover> {
  const primary = await start(['--repl-diskless-sync-delay', '0']);
  const replica = await start(['--replicaof', `127.0.0.1 ${primary.port}`]);
  const forwarder = await startForwarder(primary.port);
  ends.push(() => forwarder.close());
  const onReplica = connectRedis(replica.url);
  await until('it replicates', async () => {
    const info = await onReplica.info('replication').catch(() => '');
    return info.includes('master_link_status:up');
  });
  return {
    primary,
    replica,
    forwarder,
    async pause() {
      await until('the replica has caught up', async () => {
        const [one, other] = await Promise.all([readOffset(primary.url), readOffset(replica.url)]);
        return one === other;
      });
      await onReplica.replicaof('NO', 'ONE');
      onReplica.disconnect();
    },
    promote: () => forwarder.switchTo(replica.port),
  };
}

async function readOffset(url: string): Promise<number> {
  const redis = connectRedis(url);
  await new Promise<void>((resolve) => redis.once('ready', () => resolve()));
  const offset = Number(/master_repl_offset:(\d+)/.exec(await redis.info('replication'))?.[1]);
  redis.disconnect();
  return offset;
}

t.test('a stale replica that takes over is noticed by the caller whose calls it lost, for everybody', async (t) => {
  const { forwarder, primary, replica, pause, promote } = await startPair();
  const one = await connect(forwarder.url, { callerId: 'proxy:1' });
  const other = await connect(forwarder.url, { callerId: 'proxy:2' });
  const direct = await connect(primary.url);
  const tenant = await newTenant(direct.redis);
  const reserve = (client: Client) => client.reservations.reserve(request(tenant, [item(10n, 100n)]));
  for (const client of [one, other]) t.match(await reserve(client), { kind: 'granted' });
  await pause();
  for (let number = 0; number < 3; number += 1) t.match(await reserve(one), { kind: 'granted' });
  promote();
  await until('both are connected to the replica', () => [one, other].every(({ redis }) => redis.status === 'ready'));
  t.match(await one.reservations.reserve(request(tenant, [item(10n, 100n)])), { kind: 'down' });
  let last: ReserveReply = { kind: 'down', reason: '' };
  await until('it is noticed', async () => {
    last = await reserve(one);
    return last.kind === 'down' && last.reason === 'counters_stale';
  });
  const promoted = await connect(replica.url);
  await until('the epoch is gone', async () => (await readEpoch(promoted.redis, tenant)) === null);
  t.strictSame(await reserve(other), { kind: 'down', reason: 'counters_invalid' }, 'and another proxy is refused too');
  t.strictSame(await reserve(one), { kind: 'down', reason: 'counters_stale' });
});

t.test('a caller that remembers nothing starts from what it is told', async (t) => {
  const { forwarder, primary, pause, promote } = await startPair();
  const first = await connect(forwarder.url, { callerId: 'proxy:1' });
  const direct = await connect(primary.url);
  const tenant = await newTenant(direct.redis);
  for (let number = 0; number < 5; number += 1) await first.reservations.reserve(request(tenant, [item(1n, 100n)]));
  await pause();
  promote();
  const fresh = await connect(forwarder.url, { callerId: 'proxy:1' });
  for (let number = 0; number < 5; number += 1) {
    t.match(await fresh.reservations.reserve(request(tenant, [item(1n, 100n)])), { kind: 'granted' });
  }
});

t.test('answers that come late are no alarm, and neither is another process of the same name', async (t) => {
  const server = await start();
  const client = await connect(server.url, { timeoutMs: 50 });
  const same = await connect(server.url);
  const tenant = await newTenant(client.redis);
  const reserve = (on: Client) => on.reservations.reserve(request(tenant, [item(1n, 1000n)]));
  for (let round = 0; round < 5; round += 1) {
    server.signal('SIGSTOP');
    t.strictSame(await reserve(client), { kind: 'down', reason: 'timeout' });
    server.signal('SIGCONT');
    for (const on of [same, client, same, client]) {
      await until('it is granted', async () => {
        const reply = await reserve(on);
        if (reply.kind === 'down') t.notMatch(reply.reason, /^counters/);
        return reply.kind === 'granted';
      });
    }
  }
  t.equal(await readEpoch(client.redis, tenant), 'e1');
});

t.test('a new epoch ends the alarm, and its counting starts anew', async (t) => {
  const server = await start();
  let epoch = 'e1';
  const { redis, reservations } = await connect(server.url, { epochOf: () => epoch });
  const tenant = await newTenant(redis);
  const reserve = () => reservations.reserve(request(tenant, [item(1n, 1000n)]));
  for (let number = 0; number < 3; number += 1) await reserve();
  await redis.del(limitKeys(tenant)[3]);
  t.strictSame(await reserve(), { kind: 'down', reason: 'counters_stale' });
  await until('it is invalidated', async () => (await readEpoch(redis, tenant)) === null);
  await invalidateEpoch(redis, tenant, 'e1');
  await writeEpochIfAbsent(redis, tenant, 'e2');
  await redis.del(limitKeys(tenant)[3]);
  t.strictSame(await reserve(), { kind: 'down', reason: 'counters_stale' });
  epoch = 'e2';
  t.match(await reserve(), { kind: 'granted' });
});

t.test('a Redis that evicts is refused within seconds, and the watch counts what it has evicted', async (t) => {
  const server = await start();
  const { redis, reservations } = await connect(server.url);
  const tenant = await newTenant(redis);
  const watch = watchServer(redis);
  t.match(await watch.check(), { evicts: false, evictedKeys: 0, runId: /^[0-9a-f]{40}$/ });
  t.match(await reservations.reserve(request(tenant, [item(1n, 1000n)])), { kind: 'granted' });
  await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
  await redis.config('SET', 'maxmemory', '2mb');
  const filler = 'x'.repeat(10_000);
  await until('keys are evicted', async () => {
    await redis.set(`filler:${randomUUID()}`, filler);
    return (await watch.check()).evictedKeys > 0;
  });
  t.match(await watch.check(), { evicts: true });
  await until('it is refused', async () => {
    const reply = await reservations.reserve(request(tenant, [item(1n, 1000n)]));
    return reply.kind === 'down' && reply.reason === 'redis_evicts';
  });
  await redis.config('SET', 'maxmemory', '0');
  await redis.config('SET', 'maxmemory-policy', 'noeviction');
  await until('it is used again', async () => {
    const reply = await reservations.reserve(request(tenant, [item(1n, 1000n)]));
    return reply.kind !== 'down' || reply.reason.startsWith('counters');
  });
});

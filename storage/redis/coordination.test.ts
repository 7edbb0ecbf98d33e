import t from 'tap';
import type { LiveState } from '../schema/live.ts';
import { waitForRedis } from './connection.ts';
import {
  connectRedis,
  createLease,
  createLiveWriter,
  createManifestChannel,
  type Redis,
  readCounters,
  readEpoch,
  readLive,
  writeEpochIfAbsent,
} from './index.ts';
import { type RedisServer, startRedisServer } from './test-server.ts';

let server: RedisServer;
let redis: Redis;

t.before(async () => {
  server = await startRedisServer();
  redis = connectRedis(server.url);
  await waitForRedis(redis, 5000);
});

t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const state = (proxyId: string, running = 0): LiveState => ({
  proxy_id: proxyId,
  proxy_epoch: 1,
  at_ms: 1_700_000_000_000,
  manifest_id: null,
  manifest_sequence: null,
  running,
  draining: false,
});

t.test('an announced manifest reaches every subscriber, until it unsubscribes', async (t) => {
  const channel = createManifestChannel(redis);
  const [first, second]: [string[], string[]] = [[], []];
  const stop = await channel.subscribe((id) => first.push(id));
  const stopSecond = await channel.subscribe((id) => second.push(id));
  await channel.publish('m1');
  await until('both heard', () => first.length === 1 && second.length === 1);
  await stop();
  await channel.publish('m2');
  await until('the second heard', () => second.length === 2);
  await stopSecond();
  t.strictSame([first, second], [['m1'], ['m1', 'm2']]);
});

t.test('a subscriber hears again after its connection was lost', async (t) => {
  const channel = createManifestChannel(redis);
  const heard: string[] = [];
  const stop = await channel.subscribe((id) => heard.push(id));
  await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await until('it hears', async () => {
    await channel.publish('m3');
    return heard.length > 0;
  });
  await stop();
  t.equal(heard[0], 'm3');
});

t.test('subscribing waits a second at most for a Redis that is away', async (t) => {
  const away = connectRedis('redis://127.0.0.1:1');
  const stop = await createManifestChannel(away).subscribe(() => undefined);
  await stop();
  away.disconnect();
  t.pass('it resolved');
});

t.test('live states are read by proxy id, and forgotten after ten seconds', async (t) => {
  await createLiveWriter(redis, 'proxy-2').write(state('proxy-2', 3));
  await createLiveWriter(redis, 'proxy-1').write(state('proxy-1'));
  t.strictSame(await readLive(redis), [state('proxy-1'), state('proxy-2', 3)]);
  const ttl = await redis.pttl('hoc:live:proxy-1');
  t.ok(ttl > 8000 && ttl <= 10_000, `${ttl} ms`);
  await redis.del('hoc:live:proxy-1');
  t.strictSame(await readLive(redis), [state('proxy-2', 3)]);
  t.strictSame(await redis.smembers('hoc:live'), ['proxy-2'], 'the gone proxy is dropped from the index');
});

t.test('a lease has one holder, who alone renews and releases it', async (t) => {
  const mine = createLease(redis, { name: 'migrations', ttlMs: 60_000, holder: 'a' });
  const other = createLease(redis, { name: 'migrations', ttlMs: 60_000 });
  t.equal(await mine.acquire(), true);
  t.equal(await mine.acquire(), true, 'again');
  t.equal(await other.acquire(), false);
  t.equal(await other.renew(), false);
  await other.release();
  t.equal(await mine.renew(), true);
  t.equal(await mine.readHolder(), 'a');
  await mine.release();
  t.equal(await mine.renew(), false, 'lost');
  t.equal(await other.acquire(), true);
});

t.test('a lease that is not renewed ends by itself', async (t) => {
  const mine = createLease(redis, { name: 'short', ttlMs: 30 });
  const other = createLease(redis, { name: 'short', ttlMs: 30_000 });
  t.equal(await mine.acquire(), true);
  await until('the other gets it', () => other.acquire());
  t.equal(await mine.renew(), false);
});

t.test('an epoch is written once and never over another', async (t) => {
  t.equal(await readEpoch(redis, 'acme'), null);
  t.equal(await writeEpochIfAbsent(redis, 'acme', 'e1'), 'e1');
  t.equal(await writeEpochIfAbsent(redis, 'acme', 'e2'), 'e1');
  t.equal(await readEpoch(redis, 'acme'), 'e1');
});

t.test('counters that do not exist read zero, any number of them', async (t) => {
  const items = Array.from({ length: 1203 }, (_, number) => ({
    key: `c:l:${number}`,
    window: { align: 'rolling', windowMs: 60_000 } as const,
  }));
  const readings = await readCounters(redis, 'acme', items);
  t.equal(readings.length, 1203);
  t.ok(readings.every(({ used, reserved, resetsInMs }) => used === 0n && reserved === 0n && resetsInMs === 0));
});

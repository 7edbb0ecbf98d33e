import t from 'tap';
import { connectRedis, createReservations, writeEpochIfAbsent } from '../../storage/redis/index.ts';
import { startRedisServer } from '../../storage/redis/test-server.ts';
import { createCountersAwayLog } from './counters-away.ts';
import { compileWorld } from './test-documents.ts';
import { limit, poll } from './test-world.ts';

t.test('a Redis that goes away and comes back is one line each, whatever the runs, with what they meet', async (t) => {
  const server = await startRedisServer();
  const redis = connectRedis(server.url);
  const lines: { message: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const keep = (fields: Readonly<Record<string, unknown>>, message: string) => void lines.push({ message, fields });
  const requests = (id: string, mode: 'refuse' | 'allow' | 'local') =>
    limit({ id, kind: 'requests', ceiling: '1000', when_redis_is_down: mode });
  const limits = [requests('a', 'refuse'), requests('b', 'refuse'), requests('c', 'allow'), requests('d', 'local')];
  const cap = limit({ id: 'e', kind: 'cap', unit: 'milliseconds', ceiling: '5' });
  const snapshot = await compileWorld(1, { url: 'http://127.0.0.1:1' }, { limits: [...limits, cap], settings: {} });
  const say = createCountersAwayLog({
    log: { info: keep, warn: keep },
    nowMs: Date.now,
    address: '127.0.0.1:6379',
    snapshot: () => snapshot,
  });
  const reservations = createReservations(redis, {
    callerId: 'proxy:p1',
    timeoutMs: 20,
    epochOf: () => 'e1',
    onCircuit: (circuit) => say(circuit === 'open'),
  });
  t.teardown(async () => {
    await reservations.close();
    redis.disconnect();
    await server.stop();
  });
  await reservations.ready();
  await writeEpochIfAbsent(redis, 'acme', 'e1');
  const items = [
    { limitId: 'a', key: 'c:a:*', window: { align: 'none' } as const, amount: 1n, ceiling: 1000n, near: 800n },
  ];
  let runs = 0;
  const reserve = () => {
    runs += 1;
    return reservations.reserve({ tenant: 'acme', runId: `run-${runs}`, items, expiresInMs: 60_000 });
  };
  for (let time = 1; time <= 2; time += 1) {
    server.signal('SIGSTOP');
    for (let index = 0; index < 50; index += 1) await reserve();
    server.signal('SIGCONT');
    await poll(async () => ((await reserve()).kind === 'granted' ? true : null), 'Redis to be asked again');
    t.equal(lines.length, 2 * time, 'two lines each time');
  }
  t.match(lines, [
    {
      fields: { engine: 'redis', address: '127.0.0.1:6379' },
      message:
        /Redis does not answer.*runs under 2 limits are refused; runs under 1 limit pass, and are counted afterwards; runs under 1 limit keep/,
    },
    { fields: { engine: 'redis', away_ms: Number }, message: /Redis answers again/ },
    {},
    {},
  ]);
});

t.test('where no limit needs Redis the line says so', async (t) => {
  const said: string[] = [];
  const keep = (_: unknown, message: string) => void said.push(message);
  const say = createCountersAwayLog({
    log: { info: keep, warn: keep },
    nowMs: () => 0,
    address: 'r:1',
    snapshot: () => null,
  });
  say(true);
  t.match(said, [/no limit in force needs it/]);
});

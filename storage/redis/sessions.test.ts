import t from 'tap';
import { connectRedis, waitForRedis } from './connection.ts';
import { sessionsSource } from './script.ts';
import { createSessions } from './sessions.ts';
import { startRedisServer } from './test-server.ts';

const hourMs = 3_600_000;
const session = { tenant: 'acme', sessionDigest: 'aa', promptDigest: '01' };
const fail = (error: unknown) => t.fail(String(error));

t.test('a session counts its runs, those of the last minute and those with the same prompt', async (t) => {
  const server = await startRedisServer();
  const redis = connectRedis(server.url);
  await waitForRedis(redis, 5000);
  t.teardown(async () => {
    redis.disconnect();
    await server.stop();
  });
  let nowMs = 1_700_000_000_000;
  const at = (ms: number) => {
    nowMs += ms;
    return createSessions(redis, { timeoutMs: 5000, onError: fail, source: sessionsSource(`local now = ${nowMs}`) });
  };
  t.same(await at(0).note({ ...session, runId: 'a' }), { runs: 1, runsLastMinute: 1, samePrompt: 1 });
  t.same(await at(1000).note({ ...session, runId: 'b' }), { runs: 2, runsLastMinute: 2, samePrompt: 2 });
  t.same(await at(0).note({ ...session, runId: 'b' }), { runs: 2, runsLastMinute: 2, samePrompt: 2 }, 'once a run');
  const other = await at(1000).note({ ...session, runId: 'c', promptDigest: '02' });
  t.same(other, { runs: 3, runsLastMinute: 3, samePrompt: 1 });
  t.same(await at(59_000).note({ ...session, runId: 'd' }), { runs: 4, runsLastMinute: 2, samePrompt: 3 });
  t.same(await at(0).note({ ...session, tenant: 'other', runId: 'e' }), { runs: 1, runsLastMinute: 1, samePrompt: 1 });
  t.same(await at(hourMs).note({ ...session, runId: 'f' }), { runs: 1, runsLastMinute: 1, samePrompt: 1 }, 'an hour');
});

t.test(
  'a session that loops is remembered by its newest thousand runs, and forgotten after an hour of silence',
  async (t) => {
    const server = await startRedisServer();
    const redis = connectRedis(server.url);
    await waitForRedis(redis, 5000);
    t.teardown(async () => {
      redis.disconnect();
      await server.stop();
    });
    const sessions = createSessions(redis, { timeoutMs: 5000, onError: fail });
    const noted = await Promise.all(
      Array.from({ length: 1100 }, (_, at) => sessions.note({ ...session, runId: `r${at}` })),
    );
    t.same(noted.at(-1), { runs: 1000, runsLastMinute: 1000, samePrompt: 1000 });
    const keys = await redis.keys('*');
    t.equal(keys.length, 2);
    for (const key of keys) t.ok((await redis.pttl(key)) > hourMs - 60_000);
  },
);

t.test('a Redis that does not answer leaves the counts open within the time-out', async (t) => {
  const server = await startRedisServer();
  const redis = connectRedis(server.url);
  await waitForRedis(redis, 5000);
  t.teardown(async () => {
    server.signal('SIGCONT');
    redis.disconnect();
    await server.stop();
  });
  const sessions = createSessions(redis, { timeoutMs: 50, onError: () => undefined });
  server.signal('SIGSTOP');
  t.equal(await sessions.note({ ...session, runId: 'a' }), null);
});

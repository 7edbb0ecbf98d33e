import t from 'tap';
import type { ReserveReply } from '../schema/reservation.ts';
import { readCounters } from './index.ts';
import { limitKeys } from './keys.ts';
import { closeClient, day, item, newTenant, openClient, request, until } from './test-clients.ts';
import { startRedisServer } from './test-server.ts';

const perSecond = 2_000;
const frozenMs = 5_000;
const everyMs = 5;
const megabyte = 1024 * 1024;

t.test('a Redis frozen under load costs a bounded wait and bounded memory, and leaves nothing reserved', async (t) => {
  t.setTimeout(60_000);
  const server = await startRedisServer();
  const client = await openClient(server.url, { timeoutMs: 75 });
  const observer = await openClient(server.url);
  t.teardown(async () => {
    await closeClient(client);
    await closeClient(observer);
    await server.stop();
  });
  const { redis, reservations } = client;
  const tenant = await newTenant(redis);
  const replies: { reply: ReserveReply; waitedMs: number }[] = [];
  const granted: string[] = [];
  let asked = 0;
  const ask = async () => {
    const start = performance.now();
    asked += 1;
    const runId = `run-${asked}`;
    const reply = await reservations.reserve(request(tenant, [item(1n, 9_000_000n)], runId));
    if (reply.kind === 'granted') granted.push(runId);
    else replies.push({ reply, waitedMs: performance.now() - start });
  };
  const startedAt = performance.now();
  const most = { waitingRuns: 0, queued: 0, heap: 0 };
  const tick = () => {
    const wanted = ((performance.now() - startedAt) * perSecond) / 1000;
    while (asked < wanted) void ask();
    most.waitingRuns = Math.max(most.waitingRuns, reservations.state().waitingRuns);
    most.queued = Math.max(most.queued, queuedCommands(redis));
    most.heap = Math.max(most.heap, process.memoryUsage().heapUsed);
  };
  const timer = setInterval(tick, everyMs);
  t.teardown(() => clearInterval(timer));
  await until('it runs', () => granted.length > perSecond / 4);
  const heapBefore = process.memoryUsage().heapUsed;
  server.signal('SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, frozenMs));
  t.equal(reservations.state().circuit, 'open');
  server.signal('SIGCONT');
  const grantedBefore = granted.length;
  await until('it grants again', () => granted.length > grantedBefore + perSecond / 4);
  clearInterval(timer);
  await until('all are answered', () => granted.length + replies.length === asked);

  const waits = replies.map(({ waitedMs }) => waitedMs).sort((a, b) => a - b);
  const timedOut = replies.filter(({ reply }) => reply.kind === 'down' && reply.reason === 'timeout').length;
  const at = (share: number) => waits[Math.floor(waits.length * share)] ?? 0;
  t.comment(
    `${asked} asked, ${replies.length} down (${timedOut} timed out), waits p50 ${at(0.5).toFixed(1)} p99 ${at(0.99).toFixed(1)} ` +
      `max ${at(0.9999).toFixed(1)} ms, at most ${most.waitingRuns} runs and ${most.queued} commands unanswered, ` +
      `heap +${((most.heap - heapBefore) / megabyte).toFixed(1)} MB`,
  );
  t.ok(replies.length > (perSecond * frozenMs) / 1000 / 2, 'most were answered down');
  t.ok(at(0.99) < 150, 'within 150 ms');
  t.ok(most.waitingRuns < perSecond / 2, 'what is unanswered does not grow while it is frozen');
  t.ok(most.queued < perSecond / 2, 'neither does the queue of the connection');
  t.ok(most.heap - heapBefore < 64 * megabyte, 'nor the heap');

  await until(
    'late grants are given back',
    () => reservations.state().strayRuns + reservations.state().waitingRuns === 0,
  );
  await until('only what was told stands', async () => {
    const [reading] = await readCounters(observer.redis, tenant, [{ key: 'c:l:*', window: day }]);
    return reading?.reserved === BigInt(granted.length);
  });
  await reservations.settle(granted.map((runId) => ({ tenant, runId, items: [] })));
  const [, runs, due] = limitKeys(tenant);
  t.equal(await observer.redis.exists(runs, due), 0, 'no reservation is left behind');
});

/** Commands that ioredis holds: waiting for an answer, or for a connection. */
function queuedCommands(redis: object): number {
  const { commandQueue, offlineQueue } = redis as Record<'commandQueue' | 'offlineQueue', { length: number }>;
  return commandQueue.length + offlineQueue.length;
}

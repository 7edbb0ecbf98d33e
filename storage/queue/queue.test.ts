import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { startRedisServer } from '../redis/test-server.ts';
import { createQueue, createWorker } from './index.ts';

const redis = await startRedisServer();
const { url } = redis;
t.teardown(() => redis.stop());
const errors: Error[] = [];
const onError = (error: Error): number => errors.push(error);

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(10);
}

t.test('a job that fails is tried again until it succeeds', async (t) => {
  const attempts: number[] = [];
  const failed: number[] = [];
  const worker = createWorker({
    url,
    name: 'retry',
    handlers: {
      publish: async (job) => {
        attempts.push(job.attempt);
        if (attempts.length < 2) throw new Error('not yet');
        t.same(job.data, { manifest: 'abc' });
      },
    },
    onError,
    onFailed: (job) => failed.push(job.attempt),
  });
  const queue = createQueue({ url, name: 'retry', onError });
  await queue.add({ name: 'publish', id: 'abc', data: { manifest: 'abc' }, attempts: 5 });
  await until(() => attempts.length === 2);
  t.same(attempts, [1, 2]);
  t.same(failed, [1]);
  await worker.close();
  await queue.close();
});

t.test('a repeated job runs again and again, once over two workers', async (t) => {
  let runs = 0;
  const handlers = {
    tick: async () => {
      runs += 1;
    },
  };
  const workers = [1, 2].map(() => createWorker({ url, name: 'tick', handlers, onError, onFailed: () => undefined }));
  const queue = createQueue({ url, name: 'tick', onError });
  const startedMs = Date.now();
  await queue.repeat({ name: 'tick', everyMs: 200 });
  await until(() => runs >= 3);
  t.ok(runs <= 2 + Math.ceil((Date.now() - startedMs) / 200), 'not once for each worker');
  await Promise.all(workers.map((worker) => worker.close()));
  await queue.close();
});

for (const fault of ['killed', 'frozen'] as const) {
  t.test(`a worker whose Redis is ${fault} while a job runs closes once that job has ended`, async (t) => {
    const own = await startRedisServer();
    t.teardown(() => own.stop());
    const job = { started: false, ended: false };
    const handlers = {
      work: async () => {
        job.started = true;
        await delay(200);
        job.ended = true;
      },
    };
    const worker = createWorker({ url: own.url, name: 'lost', handlers, onError, onFailed: () => undefined });
    const queue = createQueue({ url: own.url, name: 'lost', onError });
    await queue.add({ name: 'work', id: 'only', data: {}, attempts: 1 });
    await queue.close();
    await until(() => job.started);
    if (fault === 'killed') await own.kill();
    else own.signal('SIGSTOP');
    await worker.close();
    t.ok(job.ended);
  });
}

t.test('adding to a queue whose Redis is away fails soon instead of waiting', async (t) => {
  const queue = createQueue({ url: 'redis://127.0.0.1:1', name: 'away', onError: () => undefined });
  const startedMs = Date.now();
  await t.rejects(queue.add({ name: 'publish', id: 'abc', data: {}, attempts: 1 }));
  t.ok(Date.now() - startedMs < 5_000);
  await queue.close();
});

t.test('a queue finds its Redis again after it was away', async (t) => {
  const late = await startRedisServer();
  t.teardown(() => late.stop());
  await late.kill();
  const queue = createQueue({ url: late.url, name: 'late', onError: () => undefined });
  await t.rejects(queue.add({ name: 'publish', id: 'a', data: {}, attempts: 1 }));
  await late.restart();
  await queue.add({ name: 'publish', id: 'a', data: {}, attempts: 1 });
  t.pass('added');
  await queue.close();
});

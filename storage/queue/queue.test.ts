import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { createQueue, createWorker } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'hoc-queue-'));
const port = await new Promise<number>((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const address = server.address();
    server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
  });
});
const url = `redis://127.0.0.1:${port}`;
const redis: ChildProcess = spawn('/usr/bin/redis-server', [
  '--port',
  `${port}`,
  '--bind',
  '127.0.0.1',
  '--save',
  '',
  '--dir',
  folder,
]);
t.teardown(() => {
  redis.kill();
  rmSync(folder, { recursive: true, force: true });
});
const errors: Error[] = [];
const onError = (error: Error): number => errors.push(error);

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(10);
}

await new Promise<void>((resolve) =>
  redis.stdout?.on('data', (chunk) => String(chunk).includes('Ready to accept') && resolve()),
);

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

t.test('adding to a queue whose Redis is away fails soon instead of waiting', async (t) => {
  const queue = createQueue({ url: 'redis://127.0.0.1:1', name: 'away', onError: () => undefined });
  const startedMs = Date.now();
  await t.rejects(queue.add({ name: 'publish', id: 'abc', data: {}, attempts: 1 }));
  t.ok(Date.now() - startedMs < 5_000);
  await queue.close();
});

t.test('a queue finds its Redis again after it was away', async (t) => {
  const latePort = port + 1 > 65_535 ? port - 1 : port + 1;
  const late = `redis://127.0.0.1:${latePort}`;
  const queue = createQueue({ url: late, name: 'late', onError: () => undefined });
  await t.rejects(queue.add({ name: 'publish', id: 'a', data: {}, attempts: 1 }));
  const args = ['--port', `${latePort}`, '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  const server = spawn('/usr/bin/redis-server', args);
  await new Promise<void>((resolve) =>
    server.stdout.on('data', (chunk) => String(chunk).includes('Ready to accept') && resolve()),
  );
  await queue.add({ name: 'publish', id: 'a', data: {}, attempts: 1 });
  t.pass('added');
  await queue.close();
  server.kill();
});

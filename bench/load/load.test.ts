import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { startChild } from '../child.ts';
import type { LoadJob, LoadResult } from './job.ts';

t.test('every request that the server took is counted as answered: nothing is cut at the end', async (t) => {
  let taken = 0;
  const server = createServer((request, response) => {
    taken += 1;
    request.resume().on('end', () => setTimeout(() => response.end('{}'), Math.random() * 30));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const script = fileURLToPath(new URL('./main.js', import.meta.url));
  const load = await startChild({ program: process.execPath, args: [script], speaks: false });
  t.teardown(() => load.stop());
  const { port } = server.address() as AddressInfo;
  const job: LoadJob = {
    url: `http://127.0.0.1:${port}/`,
    headers: {},
    body: '{}',
    connections: 16,
    seconds: 1,
    enough: null,
  };
  for (let turn = 1; turn <= 2; turn += 1) {
    taken = 0;
    const result = JSON.parse(await load.ask(JSON.stringify(job))) as LoadResult;
    t.equal(result.answered, taken);
    t.equal(result.failed + result.non2xx, 0);
    t.ok(result.p99Ms >= result.p50Ms);
  }
});

t.test('a load that has enough answers ends before its time', async (t) => {
  const server = createServer((request, response) => request.resume().on('end', () => response.end('{}')));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const script = fileURLToPath(new URL('./main.js', import.meta.url));
  const load = await startChild({ program: process.execPath, args: [script], speaks: false });
  t.teardown(() => load.stop());
  const { port } = server.address() as AddressInfo;
  const job: LoadJob = {
    url: `http://127.0.0.1:${port}/`,
    headers: {},
    body: '{}',
    connections: 4,
    seconds: 60,
    enough: 50,
  };
  const result = JSON.parse(await load.ask(JSON.stringify(job))) as LoadResult;
  t.ok(result.answered >= 50 && result.answered < 54);
});

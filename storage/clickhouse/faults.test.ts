import { type AddressInfo, createServer, type Server, type Socket, connect as tcp } from 'node:net';
import t from 'tap';
import type { Batch } from '../schema/rows.ts';
import { connectClickHouse } from './connection.ts';
import { insertBatch } from './insert.ts';
import { batchTables, countBatch, makeBatch, onceEach } from './test-batch.ts';
import { openTestEngine } from './test-rows.ts';

/** A wire to the engine on which the answer of the n-th request never comes back, though the request went through. */
async function openLossyWire(port: number, lost: number): Promise<{ server: Server; url: string }> {
  let answers = 0;
  const server = createServer((caller) => {
    const engine: Socket = tcp(port, '127.0.0.1');
    caller.on('error', () => engine.destroy());
    engine.on('error', () => caller.destroy());
    caller.pipe(engine);
    engine.on('data', (bytes) => {
      if (bytes.subarray(0, 9).toString('latin1') === 'HTTP/1.1 ') answers++;
      if (answers === lost) caller.destroy();
      else caller.write(bytes);
    });
    engine.on('close', () => caller.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

t.test('a batch that was stored without an answer, at whichever table, is one after its retry', async (t) => {
  const { ch, front, close } = await openTestEngine();
  t.teardown(close);
  for (const [index, table] of batchTables.entries()) {
    const { server, url } = await openLossyWire(Number(new URL(front.url).port), index + 1);
    const lossy = connectClickHouse(url);
    const batch = makeBatch(`unanswered-${table}`, 30, 100);
    await t.rejects(insertBatch(lossy, batch), { code: 'engine_unavailable' }, table);
    const before = await countBatch(ch, batch.id);
    t.equal(before.stored[index], onceEach(30).stored[index], `${table} was stored`);
    await insertBatch(ch, batch);
    t.same(await countBatch(ch, batch.id), onceEach(30));
    await lossy.close();
    server.close();
  }
});

t.test(
  'a batch that an engine stood still over is one, though it is sent again while the first still runs',
  async (t) => {
    const { ch, front, close } = await openTestEngine();
    t.teardown(close);
    const impatient = connectClickHouse(front.url, { requestTimeoutMs: 300 });
    t.teardown(() => impatient.close());
    const batch = makeBatch('frozen', 300, 500);
    process.kill(front.pid, 'SIGSTOP');
    await t.rejects(insertBatch(impatient, batch), { code: 'engine_unavailable', message: /timed out/ });
    await t.rejects(insertBatch(impatient, batch), { code: 'engine_unavailable', message: /timed out/ });
    process.kill(front.pid, 'SIGCONT');
    await insertBatch(ch, batch);
    t.same(await countBatch(ch, batch.id), onceEach(300));
  },
);

t.test('a huge batch is stored once', async (t) => {
  const { ch, close } = await openTestEngine();
  t.teardown(close);
  const batch = makeBatch('huge', 10_000, 3_000);
  const large = { ...batch.payloads[0], body: Buffer.alloc(60_000_000, 7), part: 'response' as const };
  const whole: Batch = {
    ...batch,
    payloads: [...batch.payloads, { ...makeBatch('', 1, 1).payloads[0], ...large } as never],
  };
  await insertBatch(ch, whole);
  await insertBatch(ch, whole);
  const { stored, once } = await countBatch(ch, 'huge');
  t.same(stored, [10_000, 10_001, 10_000, 1]);
  t.same(once, stored);
});

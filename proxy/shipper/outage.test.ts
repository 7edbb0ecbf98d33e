import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { uuidv7 } from 'uuidv7';
import { readSequenceGaps } from '../../storage/clickhouse/index.ts';
import { openSpool } from '../../storage/spool/index.ts';
import { markFrame, recordFrame, sampleFinish, sampleIntent, sampleOpenValues } from './test-frames.ts';
import { openShipperStage, startShipperProcess, until } from './test-process.ts';

t.setTimeout(120_000);

type Mode = 'pass' | 'swallow' | 'break' | 'refuse';

/**
 * Stands before ClickHouse. `swallow`: what is asked arrives and no answer comes back; `break`: the same, and then the
 * connection breaks; `refuse`: nobody is there.
 */
async function startForwarder(target: string) {
  const { hostname, port } = new URL(target);
  const clients = new Set<Socket>();
  const life: { mode: Mode; swallowed: number } = { mode: 'pass', swallowed: 0 };
  const server = createServer((client) => {
    if (life.mode === 'refuse') return void client.destroy();
    const upstream = connect(Number(port), hostname);
    clients.add(client);
    client.on('data', (chunk) => upstream.write(chunk));
    upstream.on('data', (chunk) => {
      if (life.mode === 'pass') return void client.write(chunk);
      life.swallowed += 1;
      if (life.mode === 'break') client.destroy();
    });
    for (const end of [client, upstream]) {
      end.on('error', () => undefined);
      end.on('close', () => {
        clients.delete(client);
        client.destroy();
        upstream.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const client of clients) client.destroy();
    server.close();
  });
  return {
    url: target.replace(port, String((server.address() as AddressInfo).port)),
    life,
    become(mode: Mode) {
      life.mode = mode;
      for (const client of clients) client.destroy();
    },
  };
}

t.test('ClickHouse away, silent or breaking off: nothing lost or doubled, and nobody waits for it', async (t) => {
  const stage = await openShipperStage(t);
  const { dir, ch, control, reserve } = stage;
  const forwarder = await startForwarder(stage.clickHouseUrl);
  const spool = await openSpool({
    dir: join(dir, 'spool'),
    proxyId: 'p',
    durability: 'process',
    segmentBytes: 100_000,
  });
  t.teardown(() => spool.close());

  const settle = [{ key: 'budget', amount: '30' }];
  let runs = 0;
  let slowestMs = 0;
  const append = (runId: string, open = sampleOpenValues) => {
    const common = { runId, epoch: spool.epoch, atMs: Date.now() };
    const beganAt = performance.now();
    spool.append(recordFrame(sampleIntent({ ...common, seq: spool.nextSeq() }), sampleOpenValues));
    spool.append(recordFrame(sampleFinish({ ...common, seq: spool.nextSeq() }), open));
    slowestMs = Math.max(slowestMs, performance.now() - beganAt);
    runs += 1;
  };

  forwarder.become('swallow');
  const first = await startShipperProcess(t, stage, forwarder.url);
  for (let n = 0; n < 150; n += 1) {
    const runId = uuidv7();
    t.ok((await reserve(runId)) !== undefined);
    append(runId, { ...sampleOpenValues, settle });
    if (n === 20) await until('ClickHouse took a batch and nobody heard of it', () => forwarder.life.swallowed > 0);
  }
  await until('all are settled while ClickHouse is silent', async () => {
    const reading = await reserve('00000000-0000-7000-8000-000000000000');
    return reading?.used === 4500n && reading.reserved === 100n;
  });
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');

  forwarder.become('break');
  const second = await startShipperProcess(t, stage, forwarder.url);
  const retried = async () =>
    Number(
      /^hoc_shipper_batches_retried_total (\d+)$/m.exec(await (await fetch(`${second.admin}/metrics`)).text())?.[1],
    );
  await until('a batch was tried again and again', async () => (await retried()) >= 3);
  t.equal((await fetch(`${second.admin}/readyz`)).status, 503);
  forwarder.become('refuse');
  for (let n = 0; n < 50; n += 1) append(uuidv7());
  spool.append(markFrame('acme', 'e2'));
  await until('control is told', () => control.reports.some((report) => report.running && report.backlog_bytes > 0));
  t.ok(
    control.reports.every((report) => report.marks.length === 0),
    'the mark is not passed',
  );

  forwarder.become('pass');
  await until('all is drained', async () => (await fetch(`${second.admin}/drained?wait_ms=2000`)).status === 200);
  await until('the mark is passed', () => control.reports.at(-1)?.marks[0]?.counter_epoch === 'e2');

  second.child.kill('SIGSTOP');
  slowestMs = 0;
  for (let n = 0; n < 2000; n += 1) {
    append(uuidv7());
    if (n % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  t.ok(slowestMs < 1000, `slowest append ${slowestMs} ms while the shipper stood still`);
  t.ok(spool.stats().bytes > 4_000_000, 'the spool grew');
  second.child.kill('SIGCONT');
  await until('it caught up', async () => (await fetch(`${second.admin}/drained?wait_ms=2000`)).status === 200);

  const [own] = await readSequenceGaps(ch);
  t.match(own, { proxyId: 'p', proxyEpoch: spool.epoch, firstSeq: 1, lastSeq: runs * 2, records: runs * 2, gaps: [] });
  const query = 'SELECT count(), uniqExact(proxy_seq), (SELECT count() FROM runs FINAL) FROM records';
  const answer = await ch.client.query({ query, format: 'JSONCompactEachRow' });
  t.same(await answer.json(), [[String(runs * 2), String(runs * 2), String(runs)]], 'not a row twice');
  const reading = await reserve(uuidv7());
  t.equal(reading?.used, 4500n, 'nothing was settled twice');
});

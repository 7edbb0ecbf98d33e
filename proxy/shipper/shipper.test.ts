import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { merkleRoot } from '../../policy/evidence/index.ts';
import type { BatchSeal } from '../../storage/schema/audit.ts';
import type { RecordRow } from '../../storage/schema/rows.ts';
import { openLineLog, openSpool, type Spool } from '../../storage/spool/index.ts';
import { payloadFrame, recordFrame, sampleFinish, sampleIntent, sampleOpenValues } from './test-frames.ts';
import { clock, Sink, silent, startShipper, until } from './test-shipper.ts';

async function openTemporary(test: Test, epochOptions = {}): Promise<{ dir: string; spool: Spool }> {
  const dir = mkdtempSync(join(tmpdir(), 'hoc-ship-'));
  test.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const spool = await openSpool({ dir, proxyId: 'p', durability: 'process', segmentBytes: 20_000, ...epochOptions });
  test.teardown(() => spool.close());
  return { dir, spool };
}

function appendRun(spool: Spool, runId: string, tenant = 'acme'): void {
  const { epoch } = spool;
  spool.append(recordFrame(sampleIntent({ seq: spool.nextSeq(), runId, tenant, epoch }), sampleOpenValues));
  spool.append(payloadFrame(runId, 'request', Buffer.from(`body of ${runId}`)));
  spool.append(recordFrame(sampleFinish({ seq: spool.nextSeq(), runId, tenant, epoch }), sampleOpenValues));
}

const seqsOf = (rows: readonly RecordRow[]) => rows.map((row) => row.proxy_seq).sort((a, b) => a - b);
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

t.test('everything appended is shipped once, sealed for each tenant, and its segments are unlinked', async (t) => {
  const { dir, spool } = await openTemporary(t);
  const sink = new Sink();
  const { books, seals, stop } = await startShipper(dir, sink);
  for (let n = 0; n < 100; n += 1) appendRun(spool, `run-${n}`, n % 3 === 0 ? 'globex' : 'acme');
  spool.append(payloadFrame('run-0', 'response', Buffer.alloc(100_000, 7)));
  await until(
    'all is shipped',
    () =>
      sink.records().length === 200 &&
      sink.all().some((batch) => batch.payloads.some((row) => row.run_id === 'run-0' && row.part === 'response')),
  );
  t.same(seqsOf(sink.records()), upTo(200));
  t.equal(sink.all().flatMap((batch) => batch.payloads).length, 101);
  await until(
    'one segment is left',
    () => readdirSync(join(dir, 'p')).filter((name) => name.endsWith('.seg')).length === 1,
  );
  await stop();
  const again = await openLineLog(join(dir, 'p', 'seals'));
  const posted = (await again.peek(1000)).lines.map((line) => JSON.parse(line) as BatchSeal);
  await again.close();
  t.equal(seals.pending(), posted.length);
  for (const seal of posted) {
    const batch = sink.all().find(({ id }) => id === seal.batch_id);
    const leaves = (batch?.records ?? []).filter((row) => row.tenant === seal.tenant).map((row) => row.leaf_hash);
    t.same([seal.leaves, seal.root], [leaves.length, merkleRoot(leaves)]);
  }
  t.equal(
    posted.reduce((sum, seal) => sum + seal.leaves, 0),
    200,
  );
  t.equal(books.state.pending, null);
});

t.test('while ClickHouse refuses, or takes without answering, the same bytes are sent under one id', async (t) => {
  const { dir, spool } = await openTemporary(t);
  const sink = new Sink();
  const seen = new Map<string, number>();
  const failFirst = (times: number) => (id: string) => {
    const calls = (seen.get(id) ?? 0) + 1;
    seen.set(id, calls);
    if (calls <= times) throw new Error('no answer');
  };
  sink.before = failFirst(1);
  sink.after = failFirst(3);
  const { stop } = await startShipper(dir, sink);
  for (let n = 0; n < 60; n += 1) appendRun(spool, `run-${n}`);
  await until('all is shipped', async () => sink.records().length === 120);
  await stop();
  t.same(seqsOf(sink.records()), upTo(120));
  t.equal(sink.conflicts, 0);
  t.ok(sink.attempts.length > sink.batches.size);
});

t.test('killed at any point, it ships every record once and closes nothing twice', async (t) => {
  const property = fc.asyncProperty(
    fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 }),
    fc.integer({ min: 1, max: 60 }),
    async (killsAfter, runs) => {
      const dir = mkdtempSync(join(tmpdir(), 'hoc-kill-'));
      const spool = await openSpool({ dir, proxyId: 'p', durability: 'process', segmentBytes: 20_000 });
      const sink = new Sink();
      try {
        for (let n = 0; n < runs; n += 1) appendRun(spool, `run-${n}`);
        const open = sampleIntent({ seq: spool.nextSeq(), runId: 'left-open', epoch: spool.epoch });
        spool.append(recordFrame(open, sampleOpenValues));
        await spool.close();
        for (const killAfter of killsAfter) {
          const countdown = { left: killAfter };
          const tick = () => {
            countdown.left -= 1;
            if (countdown.left < 0) throw new Error('killed');
          };
          sink.before = tick;
          sink.after = tick;
          const { crash } = await startShipper(dir, sink);
          await until('it is time to kill', () => countdown.left < 0 || sink.records().length === runs * 2 + 2);
          await crash();
        }
        sink.before = () => undefined;
        sink.after = () => undefined;
        const last = await startShipper(dir, sink);
        const isAllClosed = () => last.books.ledger.openCount === 0 && last.books.state.pending === null;
        await until('the open run is closed', () => isAllClosed() && sink.records().length >= runs * 2 + 2);
        await last.crash();
        const after = await startShipper(dir, sink);
        const startedAtMs = clock.nowMs();
        await until('it had time to ask for the lock', () => clock.nowMs() > startedAtMs + 6000);
        await after.stop();
        const own = sink.records().filter((row) => row.proxy_id === 'p');
        if (seqsOf(own).join() !== upTo(runs * 2 + 1).join()) throw new Error(`shipped ${seqsOf(own).join()}`);
        const recovered = sink.records().filter((row) => row.proxy_id === 'p.recovery');
        if (seqsOf(recovered).join() !== '1') throw new Error(`recovered ${seqsOf(recovered).join()}`);
        if (sink.conflicts > 0) throw new Error('an id came again with other bytes');
      } finally {
        await spool.close();
        rmSync(dir, { recursive: true });
      }
    },
  );
  const seed = Number(process.env.HOC_SEED ?? Date.now() % 2 ** 31);
  t.comment(`seed ${seed}`);
  await fc.assert(property, { numRuns: 6, seed, endOnFailure: true });
  t.pass('6 lives');
});

t.test(
  'open runs of a live proxy are left alone; of a dead one they are closed once, before its next epoch',
  async (t) => {
    const { dir, spool } = await openTemporary(t);
    const sink = new Sink();
    const abandoned: number[] = [];
    const telemetry = { ...silent, abandoned: (runs: number) => abandoned.push(runs) };
    const first = await startShipper(dir, sink, { telemetry });
    for (let n = 0; n < 250; n += 1) {
      const intent = sampleIntent({ seq: spool.nextSeq(), runId: `open-${n}`, epoch: spool.epoch });
      spool.append(recordFrame(intent, sampleOpenValues));
    }
    appendRun(spool, 'done');
    await until('all is shipped', () => sink.records().length === 252);
    const checkedAtMs = clock.nowMs();
    await until('the lock was asked for', () => clock.nowMs() > checkedAtMs + 6000);
    t.same(abandoned, [], 'its proxy lives');
    await first.stop();
    await spool.close();
    const next = await openSpool({ dir, proxyId: 'p', durability: 'process' });
    t.teardown(() => next.close());
    appendRun(next, 'later');
    const { stop } = await startShipper(dir, sink, { telemetry });
    await until('all is closed', () => sink.records().some((row) => row.run_id === 'later'));
    await stop();
    const closed = sink
      .all()
      .flatMap((batch) => batch.runs)
      .filter((run) => run.status === 'abandoned');
    t.equal(new Set(closed.map((run) => run.run_id)).size, 250);
    t.equal(closed.length, 250);
    t.ok(closed.every((run) => run.version === 2 && run.proxy_id === 'p.recovery' && run.proxy_epoch === spool.epoch));
    t.same(seqsOf(sink.records().filter((row) => row.proxy_id === 'p.recovery')), upTo(250), 'its sequence is gapless');
    t.same(abandoned, [200, 50]);
    t.match(closed[0], {
      actor_id: 'user-a',
      session_id: 'session-1',
      cost_nano_usd: '9000000',
      usage_source: 'estimated',
    });
  },
);

t.test('an open run that finishes after a restart of the shipper is not closed by it', async (t) => {
  const { dir, spool } = await openTemporary(t);
  const sink = new Sink();
  const first = await startShipper(dir, sink);
  const { epoch } = spool;
  spool.append(recordFrame(sampleIntent({ seq: 1, runId: 'long', epoch }), sampleOpenValues));
  for (let n = 0; n < 50; n += 1) appendRun(spool, `run-${n}`);
  await until('all is shipped', () => sink.records().length === 101);
  await first.crash();
  const second = await startShipper(dir, sink);
  t.equal(second.books.ledger.openUpTo(epoch, 1)[0]?.runId, 'long', 'it is known after the restart');
  spool.append(recordFrame(sampleFinish({ seq: spool.nextSeq(), runId: 'long', epoch }), sampleOpenValues));
  await until('it is finished', () => second.books.ledger.openCount === 0);
  await spool.close();
  const closedAtMs = clock.nowMs();
  await until('the lock was asked for', () => clock.nowMs() > closedAtMs + 6000);
  await second.stop();
  t.equal(
    sink
      .all()
      .flatMap((batch) => batch.runs)
      .filter((run) => run.status === 'abandoned').length,
    0,
  );
});

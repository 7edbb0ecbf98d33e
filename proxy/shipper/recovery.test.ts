import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { FinishRecord } from '../../storage/schema/record.ts';
import { openSpool, type Spool } from '../../storage/spool/index.ts';
import { describeSpool } from './reporting.ts';
import {
  markFrame,
  raiseFrame,
  recordFrame,
  sampleFinish,
  sampleIntent,
  sampleOpenValues,
  sampleSettled,
} from './test-frames.ts';
import { clock, Sink, silent, startShipper, Till, until } from './test-shipper.ts';

async function openTemporary(test: Test): Promise<{ dir: string; spool: Spool }> {
  const dir = mkdtempSync(join(tmpdir(), 'hoc-recovery-'));
  const spool = await openSpool({ dir, proxyId: 'p', durability: 'process', segmentBytes: 20_000 });
  test.teardown(async () => {
    await spool.close();
    rmSync(dir, { recursive: true, force: true });
  });
  return { dir, spool };
}

t.setTimeout(120_000);

const settleAt = (amount: string) => [{ key: 'budget', amount }];

/** An intent that is charged 900 if its proxy dies. */
function begin(spool: Spool, runId: string): void {
  const record = sampleIntent({ seq: spool.nextSeq(), runId, epoch: spool.epoch, atMs: clock.nowMs() });
  spool.append(recordFrame(record, { ...sampleOpenValues, settle: settleAt('900') }));
}

/** A finish that came to 13. */
function end(spool: Spool, runId: string): void {
  const record = sampleFinish({ seq: spool.nextSeq(), runId, epoch: spool.epoch, atMs: clock.nowMs() });
  spool.append(recordFrame(record, { ...sampleOpenValues, settle: settleAt('13') }));
}

function noteSettled(spool: Spool, ...runs: string[]): void {
  spool.append(recordFrame(sampleSettled({ seq: spool.nextSeq(), epoch: spool.epoch, runs })));
}

t.test(
  'while ClickHouse does not answer, finished runs are settled all the same, and shipped once after',
  async (t) => {
    const { dir, spool } = await openTemporary(t);
    const sink = new Sink();
    const till = new Till();
    let answers = false;
    sink.after = () => {
      if (!answers) throw new Error('taken, but nobody was told');
    };
    const { books, stop } = await startShipper(dir, sink, { till });
    for (let n = 0; n < 300; n += 1) {
      begin(spool, `run-${n}`);
      if (n !== 7) end(spool, `run-${n}`);
      if (n % 10 === 0) noteSettled(spool, `run-${n}`);
    }
    await until('all are settled', () => till.settled.size >= 269);
    t.ok(sink.batches.size <= 1, 'nothing behind the first batch was sent');
    t.notOk(till.settled.has('run-10'), 'what its proxy settled is left alone');
    t.notOk(till.settled.has('run-7'), 'what is open is not settled');
    t.equal(new Set(till.settled.values()).size, 1);
    answers = true;
    await until('all is shipped', () => sink.records().length === 629);
    t.equal(books.ledger.openCount, 1);
    t.same([sink.conflicts, till.contradictions], [0, []]);
    await stop();
  },
);

t.test(
  'a run that took more than its intent bounds is closed and settled at the most it was said to hold',
  async (t) => {
    const { dir, spool } = await openTemporary(t);
    const sink = new Sink();
    const till = new Till();
    const first = await startShipper(dir, sink, { till });
    begin(spool, 'left');
    begin(spool, 'lowered');
    begin(spool, 'done');
    spool.append(raiseFrame('left', '2000'));
    await until('the intents are shipped', () => sink.records().length === 3);
    await first.stop();
    const second = await startShipper(dir, sink, { till });
    for (const amount of ['3000', '4000']) spool.append(raiseFrame('left', amount));
    // The last one says what is held after a top-up that was refused.
    for (const amount of ['5000', '4500']) spool.append(raiseFrame('lowered', amount));
    end(spool, 'done');
    spool.append(raiseFrame('done', '9000'));
    await spool.close();
    await until('all are settled', () => till.settled.size === 3);
    t.same([...till.settled].sort(), [
      ['done', 'budget=13'],
      ['left', 'budget=4000'],
      ['lowered', 'budget=4500'],
    ]);
    t.same(till.final, new Set(['left', 'lowered', 'done']), 'nobody may go on with what a shipper has settled');
    const closed = sink
      .records()
      .map(({ raw }) => JSON.parse(raw) as FinishRecord)
      .filter(({ status }) => status === 'abandoned')
      .map(({ run_id: id, cost_nano_usd: cost, reserved_nano_usd: held, limits }) => [
        id,
        cost,
        held,
        limits[0]?.settled,
      ]);
    t.same(closed.sort(), [
      ['left', '4000', '4000', '4000'],
      ['lowered', '4500', '4500', '4500'],
    ]);
    t.equal(sink.records().length, 6, 'a raise is no record');
    await second.stop();
  },
);

t.test('what a dead proxy left open is closed, and only then settled at what it costs at most', async (t) => {
  const { dir, spool } = await openTemporary(t);
  begin(spool, 'left');
  begin(spool, 'done');
  end(spool, 'done');
  await spool.close();
  const sink = new Sink();
  const till = new Till();
  let mayClose = false;
  sink.before = () => {
    const closing = sink.records().length >= 3;
    if (closing && !mayClose) throw new Error('away');
  };
  const { stop } = await startShipper(dir, sink, { till });
  await until('the finished run is settled', () => till.settled.has('done'));
  await until('the closing was tried', () => sink.attempts.length > 2);
  t.notOk(till.settled.has('left'));
  mayClose = true;
  await until('it is settled', () => till.settled.has('left'));
  t.same([...till.settled].sort(), [
    ['done', 'budget=13'],
    ['left', 'budget=900'],
  ]);
  const closed = sink.all().flatMap((batch) => batch.runs.filter((run) => run.status === 'abandoned'));
  t.match(closed, [{ run_id: 'left', version: 2, cost_nano_usd: '9000000', usage_source: 'estimated' }]);
  await stop();
});

t.test('a paused proxy whose lease is long gone has its runs closed, and wakes to correct them', async (t) => {
  const { dir, spool } = await openTemporary(t);
  const sink = new Sink();
  const till = new Till();
  let goneForMs = 0;
  const lease = { leaseGoneForMs: () => goneForMs, leaseGoneMs: 3000 };
  const { stop } = await startShipper(dir, sink, { till, ...lease });
  const atMs = clock.nowMs();
  const intent = sampleIntent({ seq: spool.nextSeq(), runId: 'long', epoch: spool.epoch, atMs });
  spool.append(recordFrame(intent, { ...sampleOpenValues, settle: settleAt('900') }));
  await until('it is shipped', () => sink.records().length === 1);
  await until('time has passed', () => clock.nowMs() > atMs + 12_000);
  t.equal(sink.records().length, 1, 'a proxy that has its lease is not presumed dead');
  goneForMs = 5000;
  await until('it is closed', () => sink.records().some((row) => row.proxy_id === 'p.recovery'));
  await until('it is settled', () => till.settled.has('long'));
  t.equal(till.settled.get('long'), 'budget=900');
  end(spool, 'long');
  begin(spool, 'young');
  await until('the finish is shipped', () => sink.records().length === 4);
  const versions = sink.all().flatMap((batch) => batch.runs.filter((run) => run.run_id === 'long'));
  t.same(
    versions.map((run) => [run.version, run.status]),
    [
      [1, 'running'],
      [2, 'abandoned'],
      [3, 'succeeded'],
    ],
    'both ends are on record, and the real one outranks the other',
  );
  await until('the finish was settled too', () => till.contradictions.length > 0);
  t.same(till.contradictions, ['long'], 'Redis gets the real amount, and knows the run no more');
  await stop();
});

t.test('a mark is passed once everything before it is acknowledged, and stays passed', async (t) => {
  const { dir, spool } = await openTemporary(t);
  const sink = new Sink();
  let answers = false;
  sink.before = () => {
    if (!answers) throw new Error('away');
  };
  const first = await startShipper(dir, sink);
  begin(spool, 'a');
  spool.append(markFrame('acme', 'e2'));
  spool.append(markFrame('globex', 'e9'));
  end(spool, 'a');
  await until('it was tried', () => sink.attempts.length > 1);
  t.same(first.books.state.marks, {});
  answers = true;
  await until('it is passed', () => Object.keys(first.books.state.marks).length === 2);
  spool.append(markFrame('acme', 'e3'));
  await until('the next one is passed, though no record comes with it', () => first.books.state.marks.acme === 'e3');
  t.equal(sink.records().length, 2);
  await first.stop();
  const again = await startShipper(dir, sink);
  t.same(again.books.state.marks, { acme: 'e3', globex: 'e9' });
  await again.stop();
});

t.test('a fixed batch whose range is lost goes as a batch of its own, and the gap is counted', async (t) => {
  const { dir, spool } = await openTemporary(t);
  const sink = new Sink();
  sink.before = () => {
    throw new Error('away');
  };
  for (let n = 0; n < 10; n += 1) begin(spool, `run-${n}`);
  const first = await startShipper(dir, sink);
  await until('it was tried', () => sink.attempts.length > 0);
  await first.crash();
  const [segment] = readdirSync(join(dir, 'p')).filter((name) => name.endsWith('.seg'));
  const path = join(dir, 'p', segment ?? '');
  truncateSync(path, Math.floor(statSync(path).size / 2));
  await spool.close();
  sink.before = () => undefined;
  const fixedId = sink.attempts[0] ?? '';
  const second = await startShipper(dir, sink);
  await until('what is left is shipped', () => second.books.state.pending === null && sink.batches.size > 0);
  t.notOk(sink.batches.has(fixedId), 'its id was for other bytes');
  t.equal(sink.conflicts, 0);
  await second.stop();
});

t.test('a report says what was found and what is missing', async (t) => {
  const { dir, spool } = await openTemporary(t);
  for (let n = 0; n < 100; n += 1) begin(spool, `run-${n}`);
  const segments = readdirSync(join(dir, 'p')).filter((name) => name.endsWith('.seg'));
  t.ok(segments.length > 4);
  unlinkSync(join(dir, 'p', segments[2] ?? ''));
  await spool.close();
  appendFileSync(join(dir, 'p', segments.at(-1) ?? ''), 'torn');
  const sink = new Sink();
  const { books, shipper, stop } = await startShipper(dir, sink);
  await until(
    'all is closed',
    () => books.ledger.openCount === 0 && books.state.pending === null && sink.batches.size > 1,
  );
  const source = {
    newestEpoch: async () => spool.epoch,
    isEpochOver: async () => true,
  };
  const report = await describeSpool({
    ...{ proxyId: 'p', books, clock, telemetry: silent },
    source: { ...source } as unknown as Parameters<typeof describeSpool>[0]['source'],
    health: { quarantinedBytes: async () => 4, lostLeases: async () => 2 },
    post: async () => undefined,
    backlogBytes: () => 0,
    oldestAtMs: () => shipper.oldestAtMs,
    lastFrameAtMs: () => clock.nowMs() - 60_000,
  });
  const lost = 100 - sink.records().filter((row) => row.proxy_id === 'p').length;
  t.ok(lost > 0);
  t.equal(books.state.totals.sequenceGaps, lost);
  t.match(report, {
    ...{ proxy_id: 'p', proxy_epoch: spool.epoch, running: false, open_runs: 0 },
    ...{ missing_segments: 1, torn_tails: 1, damaged_frames: 0, quarantined_bytes: 4, lost_leases: 2, marks: [] },
  });
  await stop();
  const again = await startShipper(dir, sink);
  t.equal(again.books.state.totals.missingSegments, 1, 'a restart counts nothing twice');
  await again.stop();
});

t.test('killed and cut off at any point, every record is shipped once and every run settled once', async (t) => {
  const step = fc.record({
    runs: fc.integer({ min: 0, max: 30 }),
    leaves: fc.integer({ min: 0, max: 3 }),
    raises: fc.array(fc.integer({ min: 900, max: 5000 }), { maxLength: 40 }),
    killAfter: fc.integer({ min: 0, max: 5 }),
    silentFor: fc.integer({ min: 0, max: 3 }),
    tillIsAway: fc.boolean(),
  });
  const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 3 }), async (steps) => {
    const dir = mkdtempSync(join(tmpdir(), 'hoc-lives-'));
    const sink = new Sink();
    const till = new Till();
    const ended = new Map<string, string>();
    let appended = 0;
    let now = 1_800_000_000_000;
    try {
      for (const [life, each] of steps.entries()) {
        now += 1000;
        const spool = await openSpool({
          dir,
          proxyId: 'p',
          durability: 'process',
          segmentBytes: 20_000,
          now: () => now,
        });
        const countdown = { left: each.killAfter, silent: each.silentFor };
        sink.after = () => {
          countdown.left -= 1;
          if (countdown.left < 0) throw new Error('killed');
          countdown.silent -= 1;
          if (countdown.silent >= 0) throw new Error('taken, but nobody was told');
        };
        till.isAway = each.tillIsAway;
        const shipper = await startShipper(dir, sink, { till });
        for (let n = 0; n < each.runs; n += 1) {
          begin(spool, `${life}-${n}`);
          end(spool, `${life}-${n}`);
          ended.set(`${life}-${n}`, 'budget=13');
        }
        for (let n = 0; n < each.leaves; n += 1) {
          begin(spool, `${life}-left-${n}`);
          ended.set(`${life}-left-${n}`, 'budget=900');
        }
        for (const [nth, amount] of each.leaves === 0 ? [] : each.raises.entries()) {
          const runId = `${life}-left-${nth % each.leaves}`;
          spool.append(raiseFrame(runId, String(amount)));
          ended.set(runId, `budget=${amount}`);
        }
        appended += each.runs * 2 + each.leaves;
        await until('it has worked', () => countdown.left < 0 || shipper.books.state.pending === null);
        await shipper.crash();
        await spool.close();
      }
      till.isAway = false;
      sink.after = () => undefined;
      const last = await startShipper(dir, sink, { till });
      await until('all is settled', () => till.settled.size >= ended.size);
      await until('nothing is under way', () => last.books.state.pending === null && last.books.ledger.openCount === 0);
      await until('all is on record', () => sink.records().filter((row) => row.proxy_id === 'p').length >= appended);
      await last.stop();
      const settled = [...till.settled].sort().join(';');
      if (settled !== [...ended].sort().join(';')) throw new Error(`settled ${settled}`);
      if (till.contradictions.length > 0) throw new Error(`settled otherwise: ${till.contradictions.join()}`);
      const keys = sink.records().map((row) => `${row.proxy_id} ${row.proxy_epoch} ${row.proxy_seq}`);
      if (new Set(keys).size !== keys.length) throw new Error('a record was shipped twice');
      if (keys.filter((key) => key.startsWith('p ')).length !== appended) throw new Error('records are missing');
      if (sink.conflicts > 0) throw new Error('an id came again with other bytes');
      if (last.books.state.totals.sequenceGaps !== 0) throw new Error('a gap was seen where none is');
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
  const seed = Number(process.env.HOC_SEED ?? Date.now() % 2 ** 31);
  t.comment(`seed ${seed}`);
  await fc.assert(property, { numRuns: 8, seed, endOnFailure: true });
  t.pass('8 histories');
});

import t from 'tap';
import { canonicalJson, leafHash, merkleRoot } from '../../policy/evidence/index.ts';
import type { FinishRecord } from '../../storage/schema/record.ts';
import { closeAbandonedRun } from './abandon.ts';
import { computeBackoffMs } from './backoff.ts';
import { deriveBatch, deriveFacts } from './derive.ts';
import { type RunFact, RunLedger } from './ledger.ts';
import { sealBatch } from './seals.ts';
import {
  payloadFrame,
  recordFrame,
  sampleFinish,
  sampleIntent,
  sampleOpenValues,
  sampleSettled,
} from './test-frames.ts';

const settle = [{ key: 'team-budget/research', amount: '13500' }];
const intent = (seq: number, runId: string) => recordFrame(sampleIntent({ seq, runId }), sampleOpenValues);
const finish = (seq: number, runId: string) =>
  recordFrame(sampleFinish({ seq, runId }), { ...sampleOpenValues, settle });

t.test('every record is shipped, and of a run only the version that stands', async (t) => {
  const cases = [
    { name: 'nothing', frames: [], runs: [] },
    { name: 'an intent alone', frames: [intent(1, 'a')], runs: [['a', 1, 'running']] },
    { name: 'a finish alone', frames: [finish(2, 'a')], runs: [['a', 3, 'succeeded']] },
    { name: 'both', frames: [intent(1, 'a'), finish(2, 'a')], runs: [['a', 3, 'succeeded']] },
    {
      name: 'runs interleaved, one still open',
      frames: [intent(1, 'a'), intent(2, 'b'), finish(3, 'b'), intent(4, 'c'), finish(5, 'a')],
      runs: [
        ['b', 3, 'succeeded'],
        ['a', 3, 'succeeded'],
        ['c', 1, 'running'],
      ],
    },
    {
      name: 'closed by recovery',
      frames: [recordFrame(sampleFinish({ seq: 1, runId: 'a', status: 'abandoned' }))],
      runs: [['a', 2, 'abandoned']],
    },
  ];
  for (const { name, frames, runs } of cases) {
    const { batch, unreadable } = deriveBatch('id', frames);
    t.same(
      batch.runs.map((row) => [row.run_id, row.version, row.status]),
      runs,
      name,
    );
    t.same(
      batch.records.map((row) => row.raw),
      frames.map((frame) => frame.head.toString()),
      name,
    );
    t.ok(
      batch.records.every((row) => row.leaf_hash === leafHash(row.raw)),
      name,
    );
    t.equal(unreadable, 0);
  }
});

t.test('the same frames give the same bytes', async (t) => {
  const frames = [intent(1, 'a'), payloadFrame('a', 'request', Buffer.from('body')), finish(2, 'a')];
  t.equal(JSON.stringify(deriveBatch('id', frames)), JSON.stringify(deriveBatch('id', frames)));
});

t.test('erasable values come from beside the record, with their salts, and amounts to settle go nowhere', async (t) => {
  const { batch } = deriveBatch('id', [finish(1, 'a')]);
  t.match(batch.runs[0], {
    actor_type: 'human',
    actor_id: 'user-a',
    actor_source: 'asserted',
    session_id: 'session-1',
    tags: { team: 'red' },
    actor_salt: '0a',
    session_salt: '0b',
    tags_salt: '0c',
    context_salt: '0d',
    request_salt: '0e',
    response_salt: null,
    context: JSON.stringify(sampleOpenValues.context?.value),
    context_digest: sampleOpenValues.context?.digest,
    input_tokens: 10,
    output_tokens: 20,
    cost_nano_usd: '13500',
  });
  t.notMatch(JSON.stringify(batch), /team-budget/);
});

t.test('what a run took of its limits and its audio and image tokens reach its row', async (t) => {
  const charge = { id: 'budget', reserved: '70', settled: '90', taken: '95', ceiling: '100', near: true };
  const usage = {
    input_tokens: 10,
    output_tokens: 5,
    cached_input_tokens: 0,
    cache_write_tokens: null,
    reasoning_tokens: null,
  };
  const spoken = { ...usage, input_audio_tokens: 4, output_image_tokens: 3 };
  const record = sampleFinish({ seq: 2, runId: 'a', limits: [charge], usage: spoken });
  const { batch } = deriveBatch('id', [recordFrame(record)]);
  t.match(batch.runs[0], {
    limits: [charge],
    ...{ cache_write_1h_tokens: null, input_audio_tokens: 4, cached_audio_tokens: null, output_audio_tokens: null },
    ...{ input_image_tokens: null, output_image_tokens: 3 },
  });
  const { limits: _, ...older } = record;
  t.same(deriveBatch('id', [recordFrame(older as FinishRecord)]).batch.runs[0]?.limits, [], 'of an earlier version');
});

t.test('a record without a tenant belongs to the platform, and its run to none', async (t) => {
  const { batch } = deriveBatch('id', [recordFrame(sampleFinish({ seq: 1, runId: 'a', tenant: '' }))]);
  t.equal(batch.records[0]?.tenant, '');
  t.equal(batch.runs[0]?.tenant, null);
});

t.test('payloads keep their bytes', async (t) => {
  const body = Buffer.from([0, 255, 10, 13, 0]);
  const { batch } = deriveBatch('id', [payloadFrame('a', 'response', body)]);
  t.match(batch.payloads[0], { run_id: 'a', part: 'response', whole_bytes: 5, stored_bytes: 5 });
  t.ok(batch.payloads[0]?.body.equals(body));
});

t.test('frames that are no records are counted and stop nothing', async (t) => {
  const bad = ['', 'null', '{"kind":"other"}', '{"kind":', '[]'].map((text) => ({
    kind: 'record' as const,
    seq: 1,
    head: Buffer.from(text),
    tail: Buffer.alloc(0),
  }));
  const badTail = { ...intent(2, 'b'), tail: Buffer.from('{') };
  const { batch, unreadable } = deriveBatch('id', [...bad, intent(1, 'a'), badTail]);
  t.equal(unreadable, bad.length + 1);
  t.same(
    batch.runs.map((row) => row.run_id),
    ['a', 'b'],
    'an intent without its values still is a running run',
  );
  t.same(deriveFacts([...bad, intent(1, 'a')]).length, 1);
});

t.test('facts bring the ledger to the same place in one go, in pieces, and again', async (t) => {
  const frames = [intent(1, 'a'), intent(2, 'b'), finish(3, 'a'), intent(4, 'c'), finish(5, 'c')];
  frames.push(recordFrame(sampleSettled({ seq: 6, runs: ['a'] })));
  const fill = (ledger: RunLedger, facts: readonly RunFact[]) => {
    for (const fact of facts) ledger.apply(fact);
    return ledger;
  };
  const whole = fill(new RunLedger(), deriveBatch('id', frames).facts);
  t.same(
    whole.openUpTo(1, 10).map((run) => run.runId),
    ['b'],
  );
  const always = { nowMs: 0, graceMs: 0, overEpoch: 1, max: 10, skip: () => false };
  t.same(whole.dueSettlements(always), [
    { tenant: 'acme', runId: 'c', items: [{ key: 'team-budget/research', amount: 13500n }], final: true },
  ]);
  for (let cut = 0; cut <= frames.length; cut += 1) {
    const pieces = fill(new RunLedger(), deriveBatch('id', frames.slice(0, cut)).facts);
    fill(pieces, deriveBatch('id', frames.slice(cut)).facts);
    t.equal(pieces.snapshot(), whole.snapshot(), `cut at ${cut}`);
    const restored = new RunLedger();
    restored.restore(fill(new RunLedger(), deriveFacts(frames.slice(0, cut))).snapshot());
    t.equal(fill(restored, deriveFacts(frames.slice(cut))).snapshot(), whole.snapshot(), `restored at ${cut}`);
  }
});

t.test('a settlement is due after the grace, or at once where the proxy is dead', async (t) => {
  const ledger = new RunLedger();
  for (const fact of deriveFacts([finish(1, 'a')])) ledger.apply(fact);
  const finishedAtMs = ledger.lastAtMs(1);
  const find = (nowMs: number, overEpoch: number, skipped = '') =>
    ledger.dueSettlements({ nowMs, graceMs: 2000, overEpoch, max: 10, skip: (tenant) => tenant === skipped });
  const due = (...asked: Parameters<typeof find>) => find(...asked).length;
  t.equal(due(finishedAtMs + 1999, 0), 0);
  t.equal(due(finishedAtMs + 2000, 0), 1);
  t.equal(due(finishedAtMs, 1), 1);
  t.equal(due(finishedAtMs, 1, 'acme'), 0, 'not while its tenant waits');
  t.equal(find(finishedAtMs, 1)[0]?.final, true, 'what a dead proxy asked for may reach Redis after this');
  t.equal(find(finishedAtMs + 2000, 0)[0]?.final, true, 'and so may what a slow one asked for');
});

t.test('a run that Redis does not know is to be counted, in the window and epoch it was let through in', (t) => {
  const window = { align: 'calendar', unitMs: 86_400_000 } as const;
  const settle = [{ key: 'budget', amount: '30', window }];
  const open = { ...sampleOpenValues, settle, settle_at_ms: 1_700_000_000_000, settle_epoch: 'e1' };
  const frames = ['a', 'b', 'c'].map((runId, at) => recordFrame(sampleFinish({ seq: at + 1, runId }), open));
  const ledger = new RunLedger({ maxUncounted: 2, maxUnsettled: 2 });
  for (const fact of deriveBatch('1', frames).facts) ledger.apply(fact);
  t.notOk(ledger.isFull(), 'however long Redis is away, shipping goes on');
  t.equal(ledger.droppedCount, 1, 'the oldest is given up, and told');
  const restored = new RunLedger();
  restored.restore(ledger.snapshot());
  const due = restored.dueSettlements({ nowMs: 0, graceMs: 0, overEpoch: 99, max: 10, skip: () => false });
  const uncounted = { atMs: 1_700_000_000_000, epoch: 'e1' };
  t.same(
    due,
    ['b', 'c'].map((runId) => {
      const items = [{ key: 'budget', amount: 30n, window }];
      return { tenant: 'acme', runId, items, final: true, uncounted };
    }),
  );
  restored.settled(['b', 'c']);
  t.equal(restored.unsettledCount, 0);
  t.end();
});

t.test('a broken proxy cannot fill the memory', async (t) => {
  const ledger = new RunLedger({ maxOpen: 3, maxUnsettled: 2 });
  for (let n = 1; n <= 5; n += 1) for (const fact of deriveFacts([intent(n, `run-${n}`)])) ledger.apply(fact);
  t.same([ledger.openCount, ledger.droppedCount], [3, 2]);
  t.same(
    ledger.openUpTo(1, 10).map((run) => run.runId),
    ['run-3', 'run-4', 'run-5'],
  );
  t.equal(ledger.isFull(), false);
  for (let n = 6; n <= 7; n += 1) for (const fact of deriveFacts([finish(n, `done-${n}`)])) ledger.apply(fact);
  t.equal(ledger.isFull(), true);
});

t.test(
  'an abandoned run repeats its intent, costs what it can have cost at most, and says that this is an estimate',
  async (t) => {
    const charge = { id: 'budget', reserved: '70', settled: '90', taken: null, ceiling: '100', near: false };
    const record = {
      ...sampleIntent({ seq: 7, runId: 'a', epoch: 4 }),
      reserved_nano_usd: '7000000',
      limits: [charge],
    };
    const run = { epoch: 4, runId: 'a', raw: canonicalJson(record), open: JSON.stringify(sampleOpenValues) };
    const closing = { proxyId: 'p', seq: 1, atMs: record.at_ms + 60_000, lastAtMs: record.at_ms + 900 };
    const closed = closeAbandonedRun(run, closing);
    const finished = JSON.parse(closed.raw) as FinishRecord;
    t.equal(closed.raw, canonicalJson(finished), 'its bytes are canonical');
    t.match(finished, {
      proxy_id: 'p.recovery',
      proxy_epoch: 4,
      proxy_seq: 1,
      status: 'abandoned',
      outcome: 'failure',
      cost_nano_usd: '9000000',
      usage_source: 'estimated',
      marks: ['overrun', 'usage_missing'],
      limits: [charge],
      latency_ms: 900,
      ended_at: record.at_ms + 900,
      commitments: record.commitments,
      tenant: 'acme',
      model: 'sim-small',
    });
    t.equal(closed.open, run.open);
    const unbounded = { ...run, raw: canonicalJson({ ...record, worst_case_nano_usd: null }) };
    t.match(JSON.parse(closeAbandonedRun(unbounded, closing).raw), {
      cost_nano_usd: '7000000',
      usage_source: 'estimated',
    });
    const unpriced = { ...record, reserved_nano_usd: null, worst_case_nano_usd: null };
    t.match(JSON.parse(closeAbandonedRun({ ...run, raw: canonicalJson(unpriced) }, closing).raw), {
      cost_nano_usd: null,
      usage_source: 'none',
      marks: ['overrun', 'unpriced', 'usage_missing'],
    });
  },
);

t.test('a refusal that stood for others is closed as a refusal, of at least one run, where its proxy died', (t) => {
  const refusal = { code: 'limit_exceeded', reason: 'No more.', http_status: 429 };
  const record = { ...sampleIntent({ seq: 7, runId: 'a', epoch: 4 }), verdict: 'deny' as const, refusal };
  const run = { epoch: 4, runId: 'a', raw: canonicalJson(record), open: '' };
  const { raw } = closeAbandonedRun(run, { proxyId: 'p', seq: 1, atMs: record.at_ms, lastAtMs: record.at_ms });
  t.match(JSON.parse(raw), {
    ...{
      status: 'blocked',
      outcome: 'prevented',
      proximity: 'breach',
      verdict: 'deny',
      refusal_code: 'limit_exceeded',
    },
    ...{ reason: /^No more\. \(At least one/, http_status: 429, cost_nano_usd: '0', usage_source: 'none', count: 1 },
  });
  const [row] = deriveBatch('b', [recordFrame(JSON.parse(raw) as FinishRecord)]).batch.runs;
  t.match(row, { status: 'blocked', version: 2 }, 'the finish of a proxy that wakes still wins');
  t.end();
});

t.test('an abandoned run that is charged with more than was reserved for it says so, and no other', (t) => {
  const charge = { id: 'budget', reserved: '70', settled: '70', taken: null, ceiling: '100', near: false };
  const marksOf = (settled: string) => {
    const record = { ...sampleIntent({ seq: 7, runId: 'a' }), limits: [charge, { ...charge, settled }] };
    const run = { epoch: 4, runId: 'a', raw: canonicalJson(record), open: '' };
    const { raw } = closeAbandonedRun(run, { proxyId: 'p', seq: 1, atMs: record.at_ms, lastAtMs: record.at_ms });
    return (JSON.parse(raw) as FinishRecord).marks;
  };
  t.same(marksOf('70'), ['usage_missing']);
  t.same(marksOf('71'), ['overrun', 'usage_missing']);
  t.end();
});

t.test('a batch has one seal for each tenant, over its leaves in sequence', async (t) => {
  const leaf = (tenant: string, seq: number) => ({
    ...{ tenant, proxy_id: 'p', proxy_epoch: 2, proxy_seq: seq },
    leaf_hash: leafHash(`${tenant} ${seq}`),
  });
  const leaves = [leaf('b', 3), leaf('a', 9), leaf('b', 1), leaf('', 4), leaf('a', 2)];
  const seals = sealBatch('id', leaves);
  const common = { batch_id: 'id', proxy_id: 'p', proxy_epoch: 2 };
  t.same(seals, [
    { ...common, tenant: '', first_seq: 4, last_seq: 4, leaves: 1, root: merkleRoot([leafHash(' 4')]) },
    { ...common, tenant: 'a', first_seq: 2, last_seq: 9, leaves: 2, root: merkleRoot(['a 2', 'a 9'].map(leafHash)) },
    { ...common, tenant: 'b', first_seq: 1, last_seq: 3, leaves: 2, root: merkleRoot(['b 1', 'b 3'].map(leafHash)) },
  ]);
  t.same(sealBatch('id', leaves.toReversed()), seals);
  t.same(sealBatch('id', []), []);
});

t.test('waiting grows to half a minute and no further', async (t) => {
  t.same(
    [1, 2, 3].map((attempt) => computeBackoffMs(attempt, 0)),
    [100, 200, 400],
  );
  t.equal(computeBackoffMs(1000, 0), 30_000);
  t.equal(computeBackoffMs(1000, 0.999), 15_015);
});

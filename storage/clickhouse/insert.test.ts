import fc from 'fast-check';
import t from 'tap';
import { uuidv7 } from 'uuidv7';
import type { Batch, PayloadRow, RunVersionRow } from '../schema/rows.ts';
import { connectClickHouse } from './connection.ts';
import { insertBatch } from './insert.ts';
import { migrateClickHouse, readPendingMigrations } from './migrate.ts';
import { migrations } from './migrations.ts';
import { readRun } from './read-run.ts';
import { runColumnNames } from './run-columns.ts';
import { selectRows } from './select.ts';
import { openTestEngine, testIntent, testRecord, testRun } from './test-rows.ts';

const { ch, close } = await openTestEngine();
t.teardown(close);
const all = { kind: 'all' } as const;

async function counts(batch: string): Promise<number[]> {
  const parameters = { batch };
  const plain = ['records', 'runs', 'payloads'].map(
    (table) => `(SELECT count() FROM ${table} WHERE batch_id = {batch:String})`,
  );
  const final = ['records', 'runs', 'payloads'].map(
    (table) => `(SELECT count() FROM ${table} FINAL WHERE batch_id = {batch:String})`,
  );
  const [row] = await selectRows(ch, { sql: `SELECT ${[...plain, ...final].join(', ')}`, parameters });
  return (row ?? []).map(Number);
}

function payload(run: RunVersionRow, body: Buffer): PayloadRow {
  const size = { whole_bytes: body.length + 5, stored_bytes: body.length };
  const types = { content_type: 'application/json', content_encoding: null };
  return { run_id: run.run_id, tenant: run.tenant ?? '', part: 'request', ...types, ...size, body };
}

function makeBatch(id: string, runs: number): Batch {
  const finished = Array.from({ length: runs }, () => testRun());
  return {
    id,
    records: finished.map((run) => testRecord(run)),
    runs: finished.flatMap((run) => [testIntent(run), run]),
    payloads: finished.map((run) => payload(run, Buffer.from(`{"of":"${run.run_id}"}`))),
  };
}

t.test('migrations run once, in order, and are recorded', async (t) => {
  t.same(await migrateClickHouse(ch), [], 'the engine was migrated when it was opened');
  t.same(await readPendingMigrations(ch), []);
  const rows = await selectRows(ch, { sql: 'SELECT id FROM hoc_migrations FINAL ORDER BY id' });
  t.same(
    rows.flat(),
    migrations.map((migration) => migration.id),
  );
});

t.test('a step that died before it was recorded is made good by the next run', async (t) => {
  await ch.client.command({
    query: "ALTER TABLE hoc_migrations DELETE WHERE id = '0002_runs' SETTINGS mutations_sync = 2",
  });
  t.same(await migrateClickHouse(ch), ['0002_runs']);
});

t.test('every column of runs is written by an insert', async (t) => {
  const rows = await selectRows(ch, {
    sql: "SELECT name FROM system.columns WHERE table = 'runs' AND database = 'default'",
  });
  const written = [...runColumnNames.map((name) => name.replaceAll('`', '')), 'batch_id'];
  t.same(rows.flat().map(String).sort(), written.sort());
});

t.test('a batch sent three times is stored once', async (t) => {
  const batch = makeBatch('batch-thrice', 200);
  for (let attempt = 0; attempt < 3; attempt++) await insertBatch(ch, batch);
  t.same(
    await counts(batch.id),
    [200, 200, 200, 200, 200, 200],
    'versions of one run in one insert are one row already',
  );
});

t.test('rows that come back in a batch of another id still count once', async (t) => {
  const batch = makeBatch('batch-first-cut', 20);
  await insertBatch(ch, batch);
  await insertBatch(ch, { ...batch, id: 'batch-second-cut' });
  const ids = batch.runs.map((run) => run.run_id);
  const parameters = { ids };
  const sql = ['records', 'runs', 'payloads'].map(
    (table) => `(SELECT count() FROM ${table} FINAL WHERE run_id IN {ids:Array(String)})`,
  );
  t.same((await selectRows(ch, { sql: `SELECT ${sql.join(', ')}`, parameters })).flat().map(Number), [20, 20, 20]);
});

t.test('two batches with equal rows under different ids are both stored', async (t) => {
  const run = testRun();
  const record = (seq: number) => testRecord(run, { proxy_id: 'proxy-equal', proxy_seq: seq });
  await insertBatch(ch, { id: 'equal-1', records: [record(1)], runs: [], payloads: [] });
  await insertBatch(ch, { id: 'equal-2', records: [record(2)], runs: [], payloads: [] });
  t.same(
    [await counts('equal-1'), await counts('equal-2')].map((count) => count[3]),
    [1, 1],
  );
});

t.test('a finish outranks an abandonment and an intent, in whatever order they arrive', async (t) => {
  const finish = testRun({ cost_nano_usd: '7' });
  const abandoned: RunVersionRow = { ...finish, version: 2, status: 'abandoned', cost_nano_usd: null };
  for (const [index, row] of [finish, testIntent(finish), abandoned].entries()) {
    await insertBatch(ch, { id: `order-${index}`, records: [], runs: [row], payloads: [] });
  }
  const detail = await readRun(ch, all, finish.run_id);
  t.equal(detail?.run.status, 'succeeded');
  t.equal(detail?.run.cost_nano_usd, '7');
});

t.test('a payload of any bytes comes back as it was', async (t) => {
  const bodies = [
    Buffer.alloc(0),
    Buffer.from([...Array(256).keys()]),
    Buffer.from('\0\0\n\r\t\\N\'"', 'latin1'),
    Buffer.alloc(3_000_000, Buffer.from([0xff, 0x00, 0x0a])),
  ];
  const runs = bodies.map(() => testRun());
  const payloads = runs.map((run, index) => payload(run, bodies[index] ?? Buffer.alloc(0)));
  await insertBatch(ch, { id: 'bytes', records: [], runs, payloads });
  for (const [index, run] of runs.entries()) {
    const detail = await readRun(ch, all, run.run_id);
    t.ok(detail?.payloads[0]?.body.equals(bodies[index] ?? Buffer.alloc(1)), `${bodies[index]?.length} bytes`);
  }
});

const word = fc.string({ unit: 'grapheme', maxLength: 60 });
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
const anyEvent = fc.record(
  { stage: fc.constantFrom('read' as const, 'decide' as const), at_us: fc.nat(), detail: word },
  { noNullPrototype: true },
);
const anyCharge = fc.record(
  { id: word, reserved: int64, settled: int64, taken: maybe(int64), ceiling: int64, near: fc.boolean() },
  { noNullPrototype: true },
);
const anyRun: fc.Arbitrary<Partial<RunVersionRow>> = fc.record({
  tenant: fc.constantFrom(null, 'acme', 'other'),
  session_id: maybe(word),
  actor_id: maybe(word),
  model: maybe(word),
  reason: maybe(word),
  tags: fc.dictionary(word, word, { maxKeys: 4, noNullPrototype: true }),
  cost_nano_usd: maybe(int64),
  reserved_nano_usd: maybe(int64),
  input_tokens: maybe(fc.maxSafeInteger()),
  latency_ms: maybe(fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 })),
  http_status: maybe(fc.integer({ min: 0, max: 65535 })),
  proxy_epoch: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  proxy_seq: fc.maxSafeNat(),
  altered: fc.boolean(),
  started_at: fc.integer({ min: 0, max: 4_000_000_000_000 }),
  ended_at: maybe(fc.integer({ min: 0, max: 4_000_000_000_000 })),
  marks: fc.subarray(['overrun', 'redis_degraded', 'unpriced'] as const),
  events: fc.array(anyEvent, { maxLength: 5 }),
  limits: fc.array(anyCharge, { maxLength: 4 }),
  cache_write_1h_tokens: maybe(fc.maxSafeNat()),
  input_audio_tokens: maybe(fc.maxSafeNat()),
  output_image_tokens: maybe(fc.maxSafeNat()),
  decisions: fc.constantFrom(null, '[{"salt":"0a"}]'),
});

t.test('a run comes back exactly as it went in', async (t) => {
  let batches = 0;
  const property = fc.asyncProperty(fc.array(anyRun, { minLength: 1, maxLength: 40 }), async (sets) => {
    const runs = sets.map((set) => testRun({ ...set, run_id: uuidv7() }));
    await insertBatch(ch, { id: `property-${++batches}`, records: [], runs, payloads: [] });
    const run = runs[0];
    if (run === undefined) return;
    const { context, decision, decisions, ...rest } = run;
    const detail = await readRun(ch, all, run.run_id);
    t.strictSame(detail?.run, rest);
    const [readBack, stored] = [
      [detail?.context, detail?.decision, detail?.decisions],
      [context, decision, decisions],
    ];
    t.strictSame(
      readBack,
      stored.map((text) => JSON.parse(String(text))),
    );
  });
  await fc.assert(property, { numRuns: 40, includeErrorInReport: true });
});

t.test('a value that fits no column is refused by name, not by content', async (t) => {
  const batch = { id: 'unfit', records: [], runs: [testRun({ cost_nano_usd: '9223372036854775808' })], payloads: [] };
  await t.rejects(insertBatch(ch, batch), { code: 'input_invalid', message: /Int64/ });
  await t.rejects(insertBatch(ch, { ...batch, id: "x', y='" }), TypeError, 'an id cannot leave its literal');
});

t.test('an engine that is away is named with its address and what to do', async (t) => {
  const away = connectClickHouse('http://default:topsecret@127.0.0.1:1');
  t.teardown(() => away.close());
  const batch = { id: 'away', records: [], runs: [testRun({ session_id: 'private' })], payloads: [] };
  const error = await insertBatch(away, batch).then(
    () => null,
    (failure: unknown) => failure as Error,
  );
  t.match(error, {
    code: 'engine_unavailable',
    status: 503,
    message: /127\.0\.0\.1:1 does not answer \(ECONNREFUSED\)/,
  });
  t.notMatch(error?.message, /topsecret|private/);
});

t.test("a refused insert's message holds no row and names the code", async (t) => {
  await ch.client.command({ query: 'RENAME TABLE payloads TO payloads_away' });
  const run = testRun();
  const batch = { id: 'refused', records: [], runs: [], payloads: [payload(run, Buffer.from('a secret prompt'))] };
  await t.rejects(insertBatch(ch, batch), {
    code: 'engine_unavailable',
    message: /code 60 \(UNKNOWN_TABLE\): run `hoc migrate`/,
  });
  await ch.client.command({ query: 'RENAME TABLE payloads_away TO payloads' });
});

t.test('the engine keeps no log table without a limit', async (t) => {
  const sql = `SELECT name FROM system.tables WHERE database = 'system' AND engine LIKE '%MergeTree%'
    AND name LIKE '%\\_log%' AND position(engine_full, ' TTL ') = 0`;
  t.same(await selectRows(ch, { sql }), []);
});

t.test('runs that were stored before limits were recorded are read with none', async (t) => {
  const steps = (id: string) => migrations.find((step) => step.id === id)?.statements ?? [];
  const old = testRun();
  await ch.client.command({ query: 'DROP TABLE runs' });
  for (const query of steps('0002_runs')) await ch.client.command({ query });
  await ch.client.insert({
    table: 'runs',
    format: 'JSONEachRow',
    values: [
      {
        tenant: 'acme',
        run_id: old.run_id,
        version: 3,
        status: 'succeeded',
        usage_source: 'none',
        verdict: 'allow',
        leaf_hash: '',
      },
    ],
  });
  const later = ['0004_run_limits', '0007_limit_places', '0008_phase_decisions'].flatMap(steps);
  for (const query of later) await ch.client.command({ query });
  const detail = await readRun(ch, all, old.run_id);
  t.match(detail?.run, { run_id: old.run_id, limits: [], input_audio_tokens: null, output_image_tokens: null });
  await insertBatch(ch, { id: 'beside-old', records: [], runs: [{ ...old, version: 3 }], payloads: [] });
  await ch.client.command({ query: 'OPTIMIZE TABLE runs FINAL' });
  t.same((await readRun(ch, all, old.run_id))?.run.limits, old.limits);
});

import t from 'tap';
import type { RunVersionRow } from '../schema/rows.ts';
import { insertBatch } from './insert.ts';
import { readDecisions } from './read-decisions.ts';
import { readRunsPage } from './read-page.ts';
import { readRun } from './read-run.ts';
import { readSequenceGaps } from './read-sequences.ts';
import { selectRows } from './select.ts';
import { streamRuns } from './stream-runs.ts';
import { countRuns, openTestEngine, testIntent, testRecord, testRun } from './test-rows.ts';

const { ch, close } = await openTestEngine();
t.teardown(close);
const all = { kind: 'all' } as const;
const acme = { kind: 'tenant', tenant: 'acme' } as const;
const other = { kind: 'tenant', tenant: 'other' } as const;

/** Ids in the order of time, more than one window of a page long. */
function timedId(index: number): string {
  const ms = (1_790_000_000_000 + index * 40).toString(16).padStart(12, '0');
  return `${ms.slice(0, 8)}-${ms.slice(8)}-7000-8000-${index.toString(16).padStart(12, '0')}`;
}

const total = 6000;
const runs: RunVersionRow[] = Array.from({ length: total }, (_, index) =>
  testRun({
    run_id: timedId(index),
    tenant: index % 3 === 0 ? 'other' : index % 1000 === 1 ? null : 'acme',
    model: index % 7 === 0 ? 'claude' : 'gpt',
    session_id: index === 40 ? 'needle' : `session-${index % 50}`,
    status: index % 5 === 0 ? 'failed' : 'succeeded',
    started_at: 1_790_000_000_000 + index * 40,
    cost_nano_usd: index % 10 === 0 ? null : String(10n ** 15n + BigInt(index)),
  }),
);
await insertBatch(ch, { id: 'intents', records: [], runs: runs.map(testIntent), payloads: [] });
await insertBatch(ch, { id: 'finishes', records: runs.slice(0, 50).map((run) => testRecord(run)), runs, payloads: [] });

const newestFirst = (tenant: string | 'any', keep: (run: RunVersionRow) => boolean = () => true): string[] =>
  runs
    .filter((run) => (tenant === 'any' || run.tenant === tenant) && keep(run))
    .map((run) => run.run_id)
    .reverse();

t.test('pages walk all runs once, newest first, and end', async (t) => {
  for (const [scope, tenant] of [
    [all, 'any'],
    [acme, 'acme'],
    [other, 'other'],
  ] as const) {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof readRunsPage>> = await readRunsPage(ch, scope, {
        limit: 900,
        cursor,
        filter: {},
      });
      seen.push(...page.rows.map((row) => row.run_id));
      cursor = page.next;
    } while (cursor !== null);
    t.same(seen, newestFirst(tenant), `scope ${tenant}`);
  }
});

t.test('a page of exactly the last rows has no next', async (t) => {
  const wanted = newestFirst('any', (run) => run.model === 'claude');
  const page = await readRunsPage(ch, all, { limit: wanted.length, cursor: null, filter: { model: 'claude' } });
  t.same([page.rows.length, page.next], [wanted.length, null]);
});

t.test('filters hold for the version that stands, and combine', async (t) => {
  const none = await readRunsPage(ch, all, { limit: 10, cursor: null, filter: { status: 'running' } });
  t.same(none, { rows: [], next: null }, 'an intent under a finish is no running run');
  const filter = { status: 'failed', model: 'claude' };
  const page = await readRunsPage(ch, acme, { limit: 30, cursor: null, filter });
  const wanted = newestFirst('acme', (run) => run.status === 'failed' && run.model === 'claude').slice(0, 30);
  t.same(
    page.rows.map((row) => row.run_id),
    wanted,
  );
});

t.test('a single match far back is found', async (t) => {
  const page = await readRunsPage(ch, all, { limit: 10, cursor: null, filter: { session_id: 'needle' } });
  t.same(
    page.rows.map((row) => row.run_id),
    [timedId(40)],
  );
});

t.test('a time range keeps its start and not its end', async (t) => {
  const [fromMs, toMs] = [1_790_000_000_000 + 40 * 100, 1_790_000_000_000 + 40 * 110];
  const page = await readRunsPage(ch, all, { limit: 50, cursor: null, filter: {}, fromMs, toMs });
  t.same(
    page.rows.map((row) => row.run_id),
    newestFirst('any').reverse().slice(100, 110).reverse(),
  );
});

t.test('an unknown filter is refused', async (t) => {
  const filter = { 'model = 1 OR 1': 'x' } as Record<string, string>;
  await t.rejects(readRunsPage(ch, all, { limit: 1, cursor: null, filter }), { code: 'input_invalid' });
});

t.test('filter values, cursors, ids and tenants are data, never SQL', async (t) => {
  for (const evil of ["' OR 1=1 --", "\\' OR 1=1 --", '{x:String}', '`', '\0', '\\', "'); DROP TABLE runs; --"]) {
    t.same((await readRunsPage(ch, all, { limit: 5, cursor: null, filter: { model: evil } })).rows, []);
    t.same((await readRunsPage(ch, { kind: 'tenant', tenant: evil }, { limit: 5, cursor: null, filter: {} })).rows, []);
    t.equal(await readRun(ch, all, evil), null);
  }
  t.equal(await countRuns(ch, all), total);
});

t.test("another tenant's run cannot be read by its id", async (t) => {
  const run = runs.find((candidate) => candidate.tenant === 'other');
  t.equal(await readRun(ch, acme, run?.run_id ?? ''), null);
  t.equal((await readRun(ch, other, run?.run_id ?? ''))?.run.run_id, run?.run_id);
});

t.test('a run comes with its records, their exact bytes and events', async (t) => {
  const run = runs[7] ?? testRun();
  const detail = await readRun(ch, all, run.run_id);
  t.same(detail?.records, [testRecord(run)]);
  t.same(detail?.run.events, run.events);
  const rows = await selectRows(ch, {
    sql: 'SELECT stage, at_us, detail FROM events WHERE run_id = {id:String} ORDER BY position',
    parameters: { id: run.run_id },
  });
  t.same(
    rows,
    run.events.map((event) => [event.stage, String(event.at_us), event.detail]),
  );
});

t.test('an export holds every run once, oldest first, and stops when its reader does', async (t) => {
  const seen: string[] = [];
  for await (const row of streamRuns(ch, all)) seen.push(row.run_id);
  t.same(seen, newestFirst('any').reverse());
  const some: string[] = [];
  for await (const row of streamRuns(ch, acme)) {
    some.push(row.run_id);
    if (some.length === 3) break;
  }
  t.same(some, newestFirst('acme').reverse().slice(0, 3));
  t.equal(await countRuns(ch, acme), newestFirst('acme').length);
});

t.test('gaps of a sequence are found, over all tenants, and a repeated record is none', async (t) => {
  const sequence = [1, 2, 3, 3, 6, 7, 10].map((seq) =>
    testRecord(testRun({ tenant: seq % 2 === 0 ? 'acme' : 'other' }), {
      proxy_id: 'proxy-gap',
      proxy_epoch: 4,
      proxy_seq: seq,
    }),
  );
  const late = [3, 4].map((seq) => testRecord(testRun(), { proxy_id: 'proxy-gap', proxy_epoch: 5, proxy_seq: seq }));
  await insertBatch(ch, { id: 'gaps', records: [...sequence, ...late], runs: [], payloads: [] });
  const states = (await readSequenceGaps(ch)).filter((state) => state.proxyId === 'proxy-gap');
  t.match(states[0], { proxyEpoch: 4, firstSeq: 1, lastSeq: 10, records: 6 });
  t.same(states[0]?.gaps, [
    { from: 4, to: 5 },
    { from: 8, to: 9 },
  ]);
  t.same(states[1]?.gaps, [{ from: 1, to: 2 }], 'a sequence that does not begin at 1 lacks its beginning');
});

t.test('decisions are read in pages, newest first, each run once, in their scope and time', async (t) => {
  const midMs = 1_790_000_000_000 + 3000 * 40;
  for (const [scope, tenant] of [
    [all, 'any'],
    [acme, 'acme'],
  ] as const) {
    const seen: string[] = [];
    let below: string | null = null;
    for (;;) {
      const page: Awaited<ReturnType<typeof readDecisions>> = await readDecisions(ch, scope, {
        limit: 700,
        sinceMs: midMs,
        below,
      });
      if (page.length === 0) break;
      t.ok(page.length <= 700);
      seen.push(...page.map((run) => run.run_id));
      below = page.at(-1)?.run_id ?? null;
    }
    t.same(
      seen,
      newestFirst(tenant, (run) => run.run_id >= timedId(3000)),
    );
  }
  const open = { salt: '0a', context_digest: 'c', decision_digest: 'd', decision: { verdict: 'deny' } };
  const decisions = JSON.stringify([{ ...open, context: { phase: 'request' } }]);
  const run = testRun({ tenant: 'decided', context: '{"phase":"admit"}', decision: '{"verdict":"warn"}', decisions });
  await insertBatch(ch, { id: 'decided', records: [], runs: [testIntent(run)], payloads: [] });
  await insertBatch(ch, { id: 'decided-2', records: [], runs: [run], payloads: [] });
  const scope = { kind: 'tenant', tenant: 'decided' } as const;
  t.match(await readDecisions(ch, scope, { limit: 5, sinceMs: 0, below: null }), [
    {
      run_id: run.run_id,
      tenant: 'decided',
      snapshot_id: run.snapshot_id,
      context: { phase: 'admit' },
      decision: { verdict: 'warn' },
      decisions: [{ salt: '0a', context: { phase: 'request' }, decision: { verdict: 'deny' } }],
    },
  ]);
  t.match(await readRun(ch, scope, run.run_id), { decisions: [{ context: { phase: 'request' } }] });
});

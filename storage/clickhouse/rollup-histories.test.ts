import fc from 'fast-check';
import t from 'tap';
import { uuidv7 } from 'uuidv7';
import type { RunVersionRow } from '../schema/rows.ts';
import { insertBatch } from './insert.ts';
import { latencyBoundsMs, type RollupRow, readRollup } from './read-rollup.ts';
import { markRunTouches, type RunTouch, readRunTouches, touchUncoveredMinutes } from './rollup.ts';
import { rollupDimensions } from './rollup-columns.ts';
import { allTenants, baseMs, dayMs, openRollupEngine } from './test-rollups.ts';
import { testIntent, testRun } from './test-rows.ts';

const { ch, command, compute, pass, close } = await openRollupEngine();
t.teardown(close);

const byAll = ['tenant', ...rollupDimensions.map(({ name }) => name)];
const histogramsOf = (latencies: readonly (number | null)[]) =>
  latencyBoundsMs.map((bound) => BigInt(latencies.filter((ms) => ms !== null && ms <= bound).length));

/** What a rollup must hold, by one loop over the versions that stand. */
function sumHere(runs: readonly RunVersionRow[], widthMs: number): Map<string, unknown> {
  const groups = new Map<string, RunVersionRow[]>();
  for (const run of runs) {
    const key = [run.started_at - (run.started_at % widthMs), run.tenant ?? ''];
    const name = JSON.stringify([...key, ...rollupDimensions.map((column) => run[column.name as keyof RunVersionRow])]);
    groups.set(name, [...(groups.get(name) ?? []), run]);
  }
  const sum = (rows: readonly RunVersionRow[], pick: (run: RunVersionRow) => bigint | number | string | null) =>
    rows.reduce((total, run) => total + BigInt(pick(run) ?? 0), 0n);
  const micros = (ms: number | null) => (ms === null ? null : Math.round(ms * 1000));
  return new Map(
    [...groups].map(([name, rows]) => [
      name,
      {
        runs: sum(rows, (run) => run.count),
        records: BigInt(rows.length),
        cost_nano_usd: sum(rows, (run) => run.cost_nano_usd),
        unpriced: sum(rows, (run) => (run.cost_nano_usd === null ? 1 : 0)),
        reserved_nano_usd: sum(rows, (run) => run.reserved_nano_usd),
        input_tokens: sum(rows, (run) => run.input_tokens),
        output_tokens: sum(rows, (run) => run.output_tokens),
        cached_input_tokens: sum(rows, (run) => run.cached_input_tokens),
        cache_write_tokens: sum(rows, (run) => run.cache_write_tokens),
        reasoning_tokens: sum(rows, (run) => run.reasoning_tokens),
        estimated: sum(rows, (run) => (run.usage_source === 'estimated' ? 1 : 0)),
        altered: sum(rows, (run) => (run.altered ? 1 : 0)),
        overruns: sum(rows, (run) => (run.marks.includes('overrun') ? 1 : 0)),
        request_bytes: sum(rows, (run) => run.request_bytes),
        response_bytes: sum(rows, (run) => run.response_bytes),
        latency_us: sum(rows, (run) => micros(run.latency_ms)),
        latency_runs: sum(rows, (run) => (run.latency_ms === null ? 0 : 1)),
        ttft_us: sum(rows, (run) => micros(run.ttft_ms)),
        ttft_runs: sum(rows, (run) => (run.ttft_ms === null ? 0 : 1)),
        latencyAtMost: histogramsOf(rows.map((run) => run.latency_ms)),
        ttftAtMost: histogramsOf(rows.map((run) => run.ttft_ms)),
      },
    ]),
  );
}

function named(rows: readonly RollupRow[]): Map<string, unknown> {
  return new Map(
    rows.map((row) => [
      JSON.stringify([row.atMs, ...byAll.map((name) => row.by[name])]),
      { ...row.figures, latencyAtMost: row.latencyAtMost, ttftAtMost: row.ttftAtMost },
    ]),
  );
}

const sorted = (map: Map<string, unknown>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const anyEnd = fc.record({
  model: fc.constantFrom('gpt', 'claude', '', null),
  key_id: fc.constantFrom('k1', null),
  status: fc.constantFrom('succeeded' as const, 'failed' as const, 'blocked' as const),
  outcome: fc.constantFrom('success' as const, 'failure' as const),
  cost_nano_usd: maybe(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String)),
  output_tokens: maybe(fc.maxSafeNat()),
  latency_ms: maybe(fc.integer({ min: 0, max: 900_000_000 }).map((units) => units / 1000)),
  count: fc.integer({ min: 1, max: 900 }),
  marks: fc.constantFrom([], ['overrun' as const]),
  usage_source: fc.constantFrom('provider' as const, 'estimated' as const),
});
const runCount = 12;
const anyRuns = fc.array(
  fc.record({
    tenant: fc.constantFrom('acme', 'other', null),
    started_at: fc
      .tuple(fc.constantFrom(0, 60_000, 59_999, dayMs - 1, dayMs, -1), fc.nat(3))
      .map(([offset, more]) => offset + more),
    finish: anyEnd,
    abandoned: anyEnd,
  }),
  { minLength: runCount, maxLength: runCount },
);
type Step =
  | { do: 'insert'; version: 1 | 2 | 3; runs: number[] }
  | { do: 'retry' | 'pass' | 'die before the mark' | 'begin' | 'end' | 'merge' | 'keep' | 'write late' };
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('insert' as const),
      version: fc.constantFrom(1 as const, 2 as const, 3 as const),
      runs: fc.uniqueArray(fc.nat(runCount - 1), { minLength: 1, maxLength: 5 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom('retry', 'pass', 'die before the mark', 'begin', 'end', 'merge', 'keep', 'write late')
      .map((what) => ({ do: what }) as Step),
  },
);

interface History {
  runs: readonly RunVersionRow[][];
  /** Versions that were inserted, by run. */
  best: Map<number, 1 | 2 | 3>;
  last: { id: string; runs: RunVersionRow[] } | null;
  /** Touches that another control has read and not yet computed. */
  begun: readonly RunTouch[];
  kept: boolean;
}

let batches = 0;
let histories = 0;
async function step(history: History, what: Step): Promise<void> {
  if (what.do === 'insert') {
    const runs = what.runs.map((index) => history.runs[index]?.[what.version - 1] ?? testRun());
    for (const index of what.runs) {
      history.best.set(index, Math.max(history.best.get(index) ?? 0, what.version) as 1 | 2 | 3);
    }
    history.last = { id: `history-${++batches}`, runs };
    await insertBatch(ch, { ...history.last, records: [], payloads: [] });
  } else if (what.do === 'retry' && history.last !== null) {
    await insertBatch(ch, { ...history.last, records: [], payloads: [] });
  } else if (what.do === 'pass') await pass();
  else if (what.do === 'die before the mark') await compute(await readRunTouches(ch, 1000));
  else if (what.do === 'begin') history.begun = await readRunTouches(ch, 3);
  else if (what.do === 'end') {
    await compute(history.begun);
    await markRunTouches(ch, history.begun);
  } else if (what.do === 'merge') {
    for (const table of ['runs', 'run_touches', 'rollup_minutes']) await command(`OPTIMIZE TABLE ${table} FINAL`);
  } else if (what.do === 'keep' && !history.kept) {
    history.kept = true;
    for (const table of ['rollup_minutes', 'rollup_days']) {
      await command(`CREATE OR REPLACE TABLE kept_${table} ENGINE = Memory AS SELECT * FROM ${table}`);
    }
  } else if (what.do === 'write late' && history.kept) {
    // A control that was paused between reading and writing: what it writes is old.
    for (const table of ['rollup_minutes', 'rollup_days'])
      await command(`INSERT INTO ${table} SELECT * FROM kept_${table}`);
  }
}

t.test('after any history, minutes and days are the sums of the runs as they stand', async (t) => {
  const property = fc.asyncProperty(
    anyRuns,
    fc.array(anyStep, { minLength: 4, maxLength: 12 }),
    async (runs, steps) => {
      // Each history has days of its own: emptying tables takes longer than a history.
      const from = baseMs + ++histories * 10 * dayMs;
      const versions = runs.map(({ finish, abandoned, ...run }): RunVersionRow[] => {
        const whole = testRun({ ...run, ...finish, started_at: from + run.started_at, run_id: uuidv7() });
        return [testIntent(whole), { ...whole, ...abandoned, version: 2, status: 'abandoned' }, whole];
      });
      const history: History = { runs: versions, best: new Map(), last: null, begun: [], kept: false };
      for (const what of steps) await step(history, what);
      await pass();
      if (history.kept) await step(history, { do: 'write late' });
      const ended = [...history.best].filter(([, version]) => version >= 2);
      const standing = ended.map(([index, version]) => versions[index]?.[version - 1] ?? testRun());
      for (const [grain, widthMs] of [
        ['minute', 60_000],
        ['day', dayMs],
      ] as const) {
        const range = { fromMs: from - dayMs, toMs: from + 3 * dayMs, each: 'time' } as const;
        const rows = await readRollup(ch, allTenants, { ...range, grain, by: byAll });
        t.strictSame(sorted(named(rows)), sorted(sumHere(standing, widthMs)), grain);
      }
      t.same(await readRunTouches(ch, 10), []);
      t.equal(await touchUncoveredMinutes(ch, { fromMs: from - dayMs, toMs: from + 3 * dayMs }), 0);
    },
  );
  await fc.assert(property, { numRuns: 8, includeErrorInReport: true });
});

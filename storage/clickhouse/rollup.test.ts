import t from 'tap';
import type { RunVersionRow } from '../schema/rows.ts';
import { insertBatch } from './insert.ts';
import { readRollup } from './read-rollup.ts';
import { readRollupsFreshness, touchUncoveredMinutes } from './rollup.ts';
import { selectRows } from './select.ts';
import { allTenants, baseMs, dayMs, openRollupEngine } from './test-rollups.ts';
import { testRun } from './test-rows.ts';

const { ch, command, pass, close } = await openRollupEngine();
t.teardown(close);
const everything = { fromMs: baseMs - 10 * dayMs, toMs: baseMs + 10 * dayMs, each: 'time' } as const;

async function empty(): Promise<void> {
  for (const table of ['runs', 'run_touches', 'rollup_minutes', 'rollup_days'])
    await command(`TRUNCATE TABLE ${table}`);
}

t.test('what a control that slept writes late never replaces what saw more', async (t) => {
  await empty();
  const run = testRun({ started_at: baseMs, cost_nano_usd: '5' });
  const cost = async (grain: 'minute' | 'day') =>
    (await readRollup(ch, allTenants, { ...everything, grain, by: ['status'] })).map(({ by, figures }) => [
      by.status,
      figures.cost_nano_usd,
    ]);
  const abandoned: RunVersionRow = { ...run, version: 2, status: 'abandoned', cost_nano_usd: '900' };
  await insertBatch(ch, { id: 'late-1', records: [], runs: [abandoned], payloads: [] });
  await pass();
  t.same(await cost('day'), [['abandoned', 900n]]);
  for (const table of ['rollup_minutes', 'rollup_days']) {
    await command(`CREATE OR REPLACE TABLE kept_${table} ENGINE = Memory AS SELECT * FROM ${table}`);
  }
  await insertBatch(ch, { id: 'late-2', records: [], runs: [run], payloads: [] });
  await pass();
  for (const table of ['rollup_minutes', 'rollup_days']) {
    await command(`INSERT INTO ${table} SELECT * FROM kept_${table}`);
  }
  for (const merged of [false, true]) {
    if (merged) for (const table of ['rollup_minutes', 'rollup_days']) await command(`OPTIMIZE TABLE ${table} FINAL`);
    t.same([await cost('minute'), await cost('day')], [[['succeeded', 5n]], [['succeeded', 5n]]]);
  }
});

t.test('a touch that was lost is found by comparing, and only then', async (t) => {
  await empty();
  const runs = [0, 1, 2].map((minute) => testRun({ started_at: baseMs + minute * 60_000, cost_nano_usd: '5' }));
  await insertBatch(ch, { id: 'lost-touch', records: [], runs, payloads: [] });
  await command('TRUNCATE TABLE run_touches');
  await pass();
  t.same(await readRollup(ch, allTenants, { ...everything, grain: 'minute', by: [] }), []);
  t.equal(await touchUncoveredMinutes(ch, { fromMs: baseMs, toMs: baseMs + dayMs }), 3);
  await pass();
  const [row] = await readRollup(ch, allTenants, { ...everything, grain: 'day', each: 'whole', by: [] });
  t.match(row, { atMs: null, figures: { runs: 3n, cost_nano_usd: 15n } });
});

t.test('rollups are fresh up to the oldest batch that waits', async (t) => {
  await empty();
  const idle = await readRollupsFreshness(ch);
  t.equal(idle.freshAtMs, idle.nowMs);
  await insertBatch(ch, { id: 'waits', records: [], runs: [testRun()], payloads: [] });
  const [row] = await selectRows(ch, { sql: 'SELECT toUnixTimestamp64Milli(at) FROM run_touches' });
  t.equal((await readRollupsFreshness(ch)).freshAtMs, Number(row?.[0]));
  await pass();
  const after = await readRollupsFreshness(ch);
  t.equal(after.freshAtMs, after.nowMs);
});

t.test('runs that were stored before there were rollups are in them after the migration', async (t) => {
  await empty();
  await insertBatch(ch, { id: 'before', records: [], runs: [testRun({ started_at: baseMs })], payloads: [] });
  for (const table of ['run_touches', 'rollup_minutes', 'rollup_days']) await command(`DROP TABLE ${table}`);
  await command("ALTER TABLE hoc_migrations DELETE WHERE id = '0005_rollups' SETTINGS mutations_sync = 2");
  const { migrateClickHouse } = await import('./migrate.ts');
  t.same(await migrateClickHouse(ch), ['0005_rollups']);
  await pass();
  const [row] = await readRollup(ch, allTenants, { ...everything, grain: 'minute', by: [] });
  t.match(row, { atMs: baseMs, figures: { runs: 1n } });
});

t.test('a tenant reads its own rollups, filters are data, and other columns are refused', async (t) => {
  await empty();
  const runs = ['acme', 'other', null].map((tenant) => testRun({ tenant, started_at: baseMs, model: `of ${tenant}` }));
  await insertBatch(ch, { id: 'scoped', records: [], runs, payloads: [] });
  await pass();
  const query = { ...everything, grain: 'minute', by: ['tenant', 'model'] } as const;
  const own = await readRollup(ch, { kind: 'tenant', tenant: 'other' }, query);
  t.same(
    own.map((row) => row.by),
    [{ tenant: 'other', model: 'of other' }],
  );
  t.equal((await readRollup(ch, allTenants, query)).length, 3);
  t.same(await readRollup(ch, allTenants, { ...query, filter: { model: "' OR 1 --" } }), []);
  t.equal((await readRollup(ch, allTenants, { ...query, filter: { model: 'of acme' } })).length, 1);
  await t.rejects(readRollup(ch, allTenants, { ...query, by: ['1; --'] }), { code: 'input_invalid' });
  await t.rejects(readRollup(ch, allTenants, { ...query, filter: { actor_id: 'x' } }), { code: 'input_invalid' });
});

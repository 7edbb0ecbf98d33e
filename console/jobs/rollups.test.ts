import t from 'tap';
import * as clickhouse from '../../storage/clickhouse/index.ts';
import { openTestEngine, testRun } from '../../storage/clickhouse/test-rows.ts';
import type { ControlContext } from '../operations/context.ts';
import { applyRetention, defaultRetention, readRetention } from '../operations/retention/apply.ts';
import { advanceRollups, compareRollups } from '../operations/rollups/advance.ts';
import { launchTestControl } from '../test-control.ts';
import { keepRollups } from './rollups.ts';

const engine = await openTestEngine();
t.teardown(() => engine.close());
const { ch } = engine;
const control = await launchTestControl();
t.teardown(() => control.close());

const fresh: number[] = [];
const down = { clickhouse: false };
const done: string[] = [];

/** Notes a call, and fails it while ClickHouse is down. */
function noted<A extends unknown[], R>(name: string, call: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
  return async (...args) => {
    if (down.clickhouse) throw new Error('clickhouse is down');
    done.push(name);
    return call(...args);
  };
}

const context: ControlContext = {
  ...control.context,
  metrics: { ...control.context.metrics, rollupsFresh: (atMs) => void fresh.push(atMs) },
  rollups: {
    touches: noted('touches', (limit) => clickhouse.readRunTouches(ch, limit)),
    computeMinutes: noted('minutes', (minutes) => clickhouse.computeRollupMinutes(ch, minutes)),
    computeDays: noted('days', (minutes) => clickhouse.computeRollupDays(ch, minutes)),
    mark: noted('mark', (touches) => clickhouse.markRunTouches(ch, touches)),
    freshness: noted('freshness', () => clickhouse.readRollupsFreshness(ch)),
    touchUncovered: noted('compare', (range) => clickhouse.touchUncoveredMinutes(ch, range)),
    read: noted('read', (scope, query) => clickhouse.readRollup(ch, scope, query)),
  },
  retention: {
    days: { ...defaultRetention, payloads: 3 },
    set: noted('set', (table, days) => clickhouse.setRetention(ch, table, days)),
    renew: noted('renew', (table, days) => clickhouse.renewExpiry(ch, table, days)),
    setSystem: noted('system', (days) => clickhouse.setSystemRetention(ch, days)),
  },
};

let batches = 0;
async function insertRuns(count: number, startedAt = Date.now()): Promise<void> {
  const runs = Array.from({ length: count }, () =>
    testRun({ tenant: 'acme', started_at: startedAt, cost_nano_usd: '3' }),
  );
  await clickhouse.insertBatch(ch, { id: `job-${++batches}`, records: [], runs, payloads: [] });
}

async function total(): Promise<bigint> {
  const query = { grain: 'day', fromMs: 0, toMs: Date.now() + 86_400_000, each: 'whole', by: [] } as const;
  const rows = await clickhouse.readRollup(ch, { kind: 'tenant', tenant: 'acme' }, query);
  return rows[0]?.figures.cost_nano_usd ?? 0n;
}

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

t.test('what is stored comes into the rollups, marked only after minutes and days, and the age is shown', async (t) => {
  await insertRuns(4);
  done.length = 0;
  const beforeMs = Date.now();
  await advanceRollups(context, 1_000);
  t.same(done, ['touches', 'minutes', 'days', 'mark', 'freshness']);
  t.equal(await total(), 12n);
  t.ok((fresh.at(-1) ?? 0) >= beforeMs - 1_000);
  done.length = 0;
  await advanceRollups(context, 1_000);
  t.same(done, ['touches', 'freshness'], 'and once only');
});

t.test('a backlog is worked off within the budget of a call, and the rest by the next', async (t) => {
  const minute = Math.floor(Date.now() / 60_000);
  await ch.client.command({
    query: `INSERT INTO run_touches (batch_id, done, minutes) SELECT concat('backlog-', toString(number)), 0, [${minute}] FROM numbers(450)`,
  });
  const left: number[] = [];
  while (left.at(-1) !== 0) {
    await advanceRollups(context, 0);
    left.push((await clickhouse.readRunTouches(ch, 1_000)).length);
  }
  t.same(left, [250, 50, 0]);
});

t.test('two controls keep rollups while ClickHouse goes and comes, and while one of them ends', async (t) => {
  const before = await total();
  const paces = { everyMs: 50, leaseMs: 500 };
  const ends = [keepRollups(context, paces), keepRollups({ ...context, randomHex: () => 'another' }, paces)];
  await insertRuns(5);
  await until(async () => (await total()) === before + 15n);
  down.clickhouse = true;
  await insertRuns(5);
  const shown = fresh.length;
  await until(() => control.logged.some((line) => line.includes('rollups could not be brought up to date')));
  t.equal(fresh.length, shown, 'the age goes on growing');
  await ends[0]?.();
  down.clickhouse = false;
  await until(async () => (await total()) === before + 30n);
  await ends[1]?.();
});

t.test('a batch whose touch was lost is found by the comparison and said', async (t) => {
  const before = await total();
  await insertRuns(2);
  await ch.client.command({ query: 'ALTER TABLE run_touches DELETE WHERE done = 0 SETTINGS mutations_sync = 2' });
  await advanceRollups(context, 1_000);
  t.equal(await total(), before);
  await compareRollups(context);
  await advanceRollups(context, 1_000);
  t.equal(await total(), before + 6n);
  t.ok(control.logged.some((line) => line.includes('rollups covered fewer runs')));
});

t.test('the configured retention comes into force, and what may not be changed holds nothing up', async (t) => {
  const denied = { ...context.retention, setSystem: async () => Promise.reject(new Error('not allowed')) };
  await applyRetention({ ...context, retention: denied });
  t.ok(control.logged.some((line) => line.includes('bound them in its configuration')));
  const rows = await ch.client.query({ query: 'SHOW CREATE TABLE payloads', format: 'TabSeparatedRaw' });
  t.match(await rows.text(), /TTL toDateTime\(received_at\) \+ toIntervalDay\(3\)/);
});

t.test('retention is whole days, and a mistake is named', async (t) => {
  t.same(
    readRetention(() => null),
    defaultRetention,
  );
  const read = (set: Record<string, string>) => readRetention((name) => set[name] ?? null);
  t.same(read({ PAYLOADS: '7', RUNS: '0', ROLLUP_MINUTES: '36500' }), {
    ...defaultRetention,
    payloads: 7,
    runs: 0,
    rollup_minutes: 36_500,
  });
  for (const text of ['', '-1', '1.5', '36501', 'x', '1e3', ' 7']) {
    t.throws(
      () => read({ PAYLOADS: text }),
      { code: 'configuration_invalid', message: /HOC_RETENTION_DAYS_PAYLOADS/ },
      text,
    );
  }
  t.throws(() => read({ SYSTEM: '0' }), { code: 'configuration_invalid', message: /1 to 36500/ });
});

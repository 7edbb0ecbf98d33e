import fc from 'fast-check';
import t from 'tap';
import { uuidv7 } from 'uuidv7';
import type { RunVersionRow } from '../schema/rows.ts';
import type { LimitCharge } from '../schema/run.ts';
import type { LimitDimension } from '../schema/snapshot.ts';
import { insertBatch } from './insert.ts';
import { migrations } from './migrations.ts';
import { readAbandoned } from './read-abandoned.ts';
import { readRun } from './read-run.ts';
import { type ChargedLimit, type ChargeSum, sumCharges } from './sum-charges.ts';
import { openTestEngine, testIntent, testRun } from './test-rows.ts';

const { ch, close } = await openTestEngine();
t.teardown(close);
const minuteMs = 60_000;
let batches = 0;

async function insert(runs: readonly RunVersionRow[]): Promise<void> {
  await insertBatch(ch, { id: `charges-${++batches}`, records: [], runs, payloads: [] });
}

function charge(id: string, settled: string): LimitCharge {
  return { id, reserved: settled, settled, taken: null, ceiling: '9000000000000000', near: false };
}

const since = 1_790_000_000_000 - (1_790_000_000_000 % minuteMs);

t.test('a charge counts once, whatever was recorded first, and the finish stands', async (t) => {
  const limits = [{ id: 'usd', by: [], sinceMs: since, bucketMs: null }];
  const run = testRun({ tenant: 'once', started_at: since, events: [], limits: [charge('usd', '70')] });
  const abandoned: RunVersionRow = { ...run, version: 2, status: 'abandoned', limits: [charge('usd', '900')] };
  await insert([{ ...testIntent(run), limits: [charge('usd', '900')] }]);
  const sum = async () => (await sumCharges(ch, { kind: 'tenant', tenant: 'once' }, { limits, cuts: [] }))[0]?.settled;
  t.equal(await sum(), undefined, 'an open run is a reservation, not a charge');
  await insert([abandoned]);
  t.equal(await sum(), 900n);
  await insert([run]);
  t.equal(await sum(), 70n);
  await insert([abandoned]);
  t.equal(await sum(), 70n);
  t.same(await sumCharges(ch, { kind: 'tenant', tenant: 'other' }, { limits, cuts: [] }), []);
});

t.test('a run that was held counts in the window in which it was reserved', async (t) => {
  const held = testRun({
    tenant: 'held',
    started_at: since - 5 * minuteMs,
    events: [{ stage: 'reserve', at_us: 5 * 60_000_000, detail: 'ok' }],
    limits: [charge('rpm', '1')],
  });
  await insert([held]);
  const limits = [{ id: 'rpm', by: [], sinceMs: since, bucketMs: minuteMs }];
  const [sum] = await sumCharges(ch, { kind: 'tenant', tenant: 'held' }, { limits, cuts: [] });
  t.match(sum, { atMs: since, settled: 1n });
});

t.test('a charge that has moved counts since then, beside one of the same run that has not', async (t) => {
  const moved = { ...charge('day', '7'), since_ms: since + 3 * minuteMs };
  const run = testRun({
    tenant: 'moved',
    started_at: since - 5 * minuteMs,
    events: [],
    limits: [moved, charge('rpm', '1')],
  });
  await insert([run]);
  const limits = ['day', 'rpm'].map((id) => ({ id, by: [], sinceMs: since - 9 * minuteMs, bucketMs: minuteMs }));
  const sums = await sumCharges(ch, { kind: 'tenant', tenant: 'moved' }, { limits, cuts: [] });
  t.same(sums.map(({ limitId, atMs, settled }) => [limitId, (atMs - since) / minuteMs, settled]).sort(), [
    ['day', 3, 7n],
    ['rpm', -5, 1n],
  ]);
  const found = await readRun(ch, { kind: 'tenant', tenant: 'moved' }, run.run_id);
  t.same(found?.run.limits, run.limits);
});

t.test('what was stored before charges had an instant counts where it was reserved', async (t) => {
  const run = testRun({
    tenant: 'before',
    started_at: since,
    events: [],
    limits: [charge('usd', '7'), charge('rpm', '1')],
  });
  await insert([run]);
  const wait = 'SETTINGS mutations_sync = 2, alter_sync = 2';
  await ch.client.command({ query: `ALTER TABLE runs DROP COLUMN \`limits.since_ms\` ${wait}` });
  const [step] = migrations.filter(({ id }) => id === '0007_limit_places');
  for (const query of step?.statements ?? []) await ch.client.command({ query });
  const limits = ['usd', 'rpm'].map((id) => ({ id, by: [], sinceMs: since, bucketMs: minuteMs }));
  const sums = await sumCharges(ch, { kind: 'tenant', tenant: 'before' }, { limits, cuts: [] });
  t.same(sums.map(({ limitId, atMs, settled }) => [limitId, atMs, settled]).sort(), [
    ['rpm', since, 1n],
    ['usd', since, 7n],
  ]);
  const found = await readRun(ch, { kind: 'tenant', tenant: 'before' }, run.run_id);
  t.same(found?.run.limits, run.limits);
});

t.test(
  'runs that were closed in place of their proxy are told, unless the proxy has ended them after all',
  async (t) => {
    const set = { tenant: 'left', status: 'abandoned', version: 2 } as const;
    const [dead, woken] = [testRun(set), testRun(set)];
    const scope = { kind: 'tenant', tenant: 'left' } as const;
    await insert([dead, woken, testRun({ ...set, tenant: 'other' })]);
    await insert([{ ...woken, status: 'truncated', version: 3 }, testRun({ tenant: 'left' })]);
    const sinceMs = Date.now() - 60_000;
    t.same(await readAbandoned(ch, scope, { sinceMs, cuts: [] }), [dead.run_id]);
    t.same(await readAbandoned(ch, scope, { sinceMs: Date.now() + 3_600_000, cuts: [] }), []);
  },
);

t.test(
  'a run that was closed behind a cut is not told as gone: no sum has it, so that it is still to be counted',
  async (t) => {
    const set = { tenant: 'behind', status: 'abandoned', version: 2 } as const;
    const summed = testRun({ ...set, proxy_id: 'p1.recovery', proxy_epoch: 4, proxy_seq: 1 });
    const behind = testRun({ ...set, proxy_id: 'p1.recovery', proxy_epoch: 5, proxy_seq: 1 });
    await insert([summed, behind]);
    const cuts = [
      { proxyId: 'p1', proxyEpoch: 5, lastSeq: 9 },
      { proxyId: 'p1.recovery', proxyEpoch: 5, lastSeq: 0 },
    ];
    const scope = { kind: 'tenant', tenant: 'behind' } as const;
    t.same(await readAbandoned(ch, scope, { sinceMs: Date.now() - 60_000, cuts }), [summed.run_id]);
  },
);

t.test('sums pass 2^63', async (t) => {
  const most = String(2n ** 63n - 1n);
  await insert([1, 2, 3].map(() => testRun({ tenant: 'most', started_at: since, limits: [charge('usd', most)] })));
  const limits = [{ id: 'usd', by: [], sinceMs: since, bucketMs: null }];
  const [sum] = await sumCharges(ch, { kind: 'tenant', tenant: 'most' }, { limits, cuts: [] });
  t.equal(sum?.settled, 3n * (2n ** 63n - 1n));
});

/** What the sums must be, by one loop over the runs. */
function sumHere(runs: readonly RunVersionRow[], limits: readonly ChargedLimit[], cut: number): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const run of runs) {
    if (run.proxy_id === 'cut' && run.proxy_seq > cut) continue;
    for (const limit of limits) {
      const reserveUs = run.events.find((event) => event.stage === 'reserve')?.at_us ?? 0;
      const found = run.limits.find((each) => each.id === limit.id);
      const atMs = found?.since_ms ?? run.started_at + Math.floor(reserveUs / 1000);
      const settled = BigInt(found?.settled ?? '0');
      if (atMs < limit.sinceMs || settled === 0n) continue;
      const bucket = limit.bucketMs === null ? limit.sinceMs : atMs - (atMs % limit.bucketMs);
      const by = (dimension: LimitDimension, value: string | null) => (limit.by.includes(dimension) ? value : null);
      const tags = Object.entries(run.tags).filter(([name]) => limit.by.includes(`tag:${name}`));
      const subject = [by('subTenant', run.sub_tenant), by('key', run.key_id), by('actor', run.actor_type)];
      subject.push(by('actor', run.actor_id), by('provider', run.provider), by('model', run.model));
      const name = JSON.stringify([limit.id, bucket, subject, tags.sort()]);
      sums.set(name, (sums.get(name) ?? 0n) + settled);
    }
  }
  return sums;
}

function nameSum(sum: ChargeSum): string {
  const subject = [sum.subTenant, sum.keyId, sum.actorType, sum.actorId, sum.provider, sum.model];
  return JSON.stringify([sum.limitId, sum.atMs, subject, Object.entries(sum.tags).sort()]);
}

const dimension = fc.constantFrom<LimitDimension>(
  'subTenant',
  'key',
  'actor',
  'model',
  'provider',
  'tag:team',
  "tag:o'n",
);
const anyLimits = fc.uniqueArray(
  fc.record({
    id: fc.constantFrom('a', 'b', 'c'),
    by: fc.uniqueArray(dimension, { maxLength: 4 }),
    sinceMs: fc.constantFrom(since - 3 * minuteMs, since, since + minuteMs),
    bucketMs: fc.constantFrom(null, 1000, 5 * minuteMs),
  }),
  { selector: (limit) => limit.id, minLength: 1 },
);
const maybe = (...values: string[]) => fc.constantFrom(null, ...values);
const anyRun = fc.record({
  sub_tenant: maybe('x', 'y'),
  key_id: maybe('k1', 'k2'),
  actor_id: maybe('u1', "u'2"),
  model: maybe('gpt', 'GPT'),
  tags: fc.dictionary(fc.constantFrom('team', "o'n", 'else'), fc.constantFrom('1', '2'), { noNullPrototype: true }),
  started_at: fc.integer({ min: since - 4 * minuteMs, max: since + 9 * minuteMs }),
  events: fc.constantFrom([], [{ stage: 'reserve' as const, at_us: 59_999_999, detail: 'ok' }]),
  limits: fc.uniqueArray(
    fc
      .tuple(
        fc.constantFrom('a', 'b', 'c', 'd'),
        fc.bigInt({ min: 0n, max: 9n * 10n ** 15n }),
        fc.constantFrom({}, { since_ms: since + 4 * minuteMs }),
      )
      .map(([id, settled, place]) => ({ ...charge(id, String(settled)), ...place })),
    { selector: (each) => each.id },
  ),
  proxy_id: fc.constantFrom('cut', 'whole'),
  proxy_seq: fc.integer({ min: 1, max: 9 }),
});

t.test('the engine sums what a loop over the runs sums', async (t) => {
  let tenants = 0;
  const property = fc.asyncProperty(
    fc.array(anyRun, { maxLength: 60 }),
    anyLimits,
    fc.nat(9),
    async (sets, limits, cut) => {
      const tenant = `sum-${++tenants}`;
      const runs = sets.map((set) => testRun({ ...set, tenant, run_id: uuidv7() }));
      await insert(runs.map((run) => ({ ...run, version: 2 as const, limits: [charge('a', '5'), charge('b', '6')] })));
      await insert(runs);
      const cuts = [{ proxyId: 'cut', proxyEpoch: 1, lastSeq: cut }];
      const sums = await sumCharges(ch, { kind: 'tenant', tenant }, { limits, cuts });
      t.strictSame(
        new Map(sums.map((sum) => [nameSum(sum), sum.settled] as const).sort()),
        new Map([...sumHere(runs, limits, cut)].sort()),
      );
      t.equal(sums.length, new Set(sums.map(nameSum)).size);
    },
  );
  await fc.assert(property, { numRuns: 20, includeErrorInReport: true });
});

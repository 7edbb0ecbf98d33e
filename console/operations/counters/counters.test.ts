import t from 'tap';
import type { AuditRecord } from '../../../storage/schema/audit.ts';
import { HocError } from '../../../storage/schema/errors.ts';
import type { SpoolReport } from '../../../storage/schema/live.ts';
import type { Manifest } from '../../../storage/schema/snapshot.ts';
import { launchTestControl } from '../../test-control.ts';
import { quietReport } from '../../test-reports.ts';
import { showVerdict } from '../acknowledgements.ts';
import { applyConfiguration } from '../apply-configuration.ts';
import type { ControlContext } from '../context.ts';
import type { ChargeSum, ChargesQuery } from '../ports.ts';
import { readManifest } from '../snapshot/read.ts';
import { refreshSnapshot } from '../snapshot/refresh.ts';
import { acceptGap } from './accept-gap.ts';
import { advanceCounters, createCounterWatch } from './advance.ts';
import { examineCounters, examineSpools } from './diagnose.ts';
import { readCounterHealth } from './health.ts';
import { listOpenRebuilds, takeMarks, takeSpoolReport } from './reports.ts';

const control = await launchTestControl();
t.teardown(() => control.close());
let nowMs = Date.UTC(2026, 4, 20, 12, 0, 0);
const queries: ChargesQuery[] = [];
const context: ControlContext = {
  ...control.context,
  now: () => nowMs,
  charges: {
    ...control.context.charges,
    sum: async (_scope, query) => {
      queries.push(query);
      return control.charges;
    },
  },
};
const watch = createCounterWatch();
const look = () => advanceCounters(context, watch);

const yaml = `
tenants:
  - slug: acme
    limits:
      - { id: budget, kind: money, ceilingUsd: "1", window: 1d, align: calendar, by: [actor] }
      - { id: tokens, kind: tokens, ceiling: 1000, window: 1h, align: rolling }
      - { id: slots, kind: concurrency, ceiling: 5 }
`;
await applyConfiguration(context, control.principal, {
  file: 'counters.yaml',
  text: yaml,
  secrets: new Map(),
  dryRun: false,
  adopt: false,
});
await refreshSnapshot(context);

async function readEpoch(): Promise<string> {
  const manifest = JSON.parse((await readManifest(context)).manifest) as Manifest;
  return manifest.tenants.find((one) => one.tenant === 'acme')?.counter_epoch ?? '';
}

async function report(proxyId: string, change: Partial<SpoolReport> = {}): Promise<void> {
  await takeSpoolReport(context, quietReport({ proxy_id: proxyId, at_ms: nowMs, ...change }));
}

async function mark(
  proxyId: string,
  change: { lastSeq?: number; proxyEpoch?: number; open?: readonly unknown[] } = {},
) {
  const counterEpoch = await readEpoch();
  const base = { proxyId, proxyEpoch: 1, tenant: 'acme', counterEpoch, lastSeq: 10, open: [] };
  return takeMarks(context, [{ ...base, ...change }]);
}

const passed = async () => [{ tenant: 'acme', counter_epoch: await readEpoch() }];

async function readActs(tenant = 'acme'): Promise<AuditRecord[]> {
  const rows = await control.db
    .selectFrom('audit_entries')
    .selectAll()
    .where('tenant', '=', tenant)
    .orderBy('sequence')
    .execute();
  return rows.map((row) => JSON.parse(row.raw.toString('utf8')) as AuditRecord);
}

/** Loses the counters and lets control notice; the time by which it restores at the soonest is over. */
async function lose(): Promise<void> {
  control.epochs.delete('acme');
  await look();
  nowMs += 2_000;
}

t.beforeEach(async () => {
  for (const spool of await context.store.transaction((tx) => tx.readSpools())) {
    await context.store.transaction((tx) => tx.deleteSpool(spool.proxy_id));
  }
  control.live.length = 0;
  control.charges.length = 0;
  control.restored.length = 0;
  queries.length = 0;
  nowMs += 3_600_000;
});

t.test('valid counters are left alone', async (t) => {
  const before = await readEpoch();
  await look();
  t.equal(await readEpoch(), before);
  t.same(await listOpenRebuilds(context), []);
});

t.test(
  'lost counters get a new epoch in a new manifest at once, on record, and stay refused until spools answer',
  async (t) => {
    const before = await readEpoch();
    await report('p1');
    control.epochs.delete('acme');
    await look();
    const after = await readEpoch();
    t.not(after, before);
    t.same(control.published.at(-1), (await readManifest(context)).id);
    t.same(await listOpenRebuilds(context), [{ tenant: 'acme', counter_epoch: after }]);
    const [act] = (await readActs()).slice(-1);
    t.match(act, { act: 'counters.invalidate', facts: { cause: 'lost' } });
    for (let step = 0; step < 5; step += 1) {
      nowMs += 1_000;
      await report('p1');
      await look();
    }
    t.equal(control.epochs.get('acme'), undefined);
    t.equal(await readEpoch(), after, 'and no further epoch is taken while it waits');

    t.same(await mark('p1'), { taken: 1, ignored: 0 });
    await look();
    t.equal(control.epochs.get('acme'), undefined, 'a mark that is not shipped is not enough');
    await report('p1', { marks: await passed() });
    await look();
    t.equal(control.epochs.get('acme'), after);
    t.match((await readActs()).at(-1), { act: 'counters.rebuild', facts: { open_runs: 0, accepted_gaps: '' } });
    t.same(await listOpenRebuilds(context), []);
    t.same(control.ended.splice(0), ['done']);
    await look();
    t.equal(await readEpoch(), after, 'then they are valid');
  },
);

t.test(
  'what is restored: used by window and subject from the records, open runs from the marks, cut where marked',
  async (t) => {
    await report('p1');
    await lose();
    const nothing = {
      subTenant: null,
      keyId: null,
      actorType: null,
      actorId: null,
      provider: null,
      model: null,
      tags: {},
    };
    const dayMs = Date.UTC(2026, 4, 20);
    const minuteMs = nowMs - (nowMs % 60_000);
    const sums: ChargeSum[] = [
      { ...nothing, limitId: 'budget', atMs: dayMs, actorType: 'human', actorId: 'user-a', settled: 900_000_000n },
      { ...nothing, limitId: 'budget', atMs: dayMs, actorType: 'service', actorId: 'batch', settled: 7n },
      { ...nothing, limitId: 'budget', atMs: dayMs, settled: 5n },
      { ...nothing, limitId: 'tokens', atMs: minuteMs, settled: 40n },
      { ...nothing, limitId: 'tokens', atMs: minuteMs - 60_000, settled: 2n },
      { ...nothing, limitId: 'gone', atMs: minuteMs, settled: 2n },
    ];
    control.charges.push(...sums);
    const window = { align: 'rolling', windowMs: 3_600_000 };
    const open = [
      { runId: 'r1', atMs: nowMs - 5, expiresInMs: 900, items: [{ key: 'c:tokens:*', window, amount: '77' }] },
    ];
    await mark('p1', { lastSeq: 33, open });
    await report('p1', { marks: await passed() });
    await look();
    t.equal(queries.length, 1);
    t.same(queries[0]?.cuts, [
      { proxyId: 'p1', proxyEpoch: 1, lastSeq: 33 },
      { proxyId: 'p1.recovery', proxyEpoch: 1, lastSeq: 0 },
    ]);
    t.same(queries[0]?.limits, [
      { id: 'budget', by: ['actor'], sinceMs: nowMs - (nowMs % 86_400_000), bucketMs: null },
      { id: 'tokens', by: [], sinceMs: minuteMs - 60 * 60_000, bucketMs: 60_000 },
    ]);
    const [restored] = control.restored;
    t.same(
      restored?.counters.map(({ key, used, near }) => ({ key, used, near: near?.amount })),
      [
        { key: 'c:budget:user-a', used: [{ atMs: dayMs, amount: 900_000_000n }], near: 800_000_000n },
        { key: 'c:budget:service:batch', used: [{ atMs: dayMs, amount: 7n }], near: undefined },
        {
          key: 'c:tokens:*',
          used: [
            { atMs: minuteMs, amount: 40n },
            { atMs: minuteMs - 60_000, amount: 2n },
          ],
          near: undefined,
        },
      ],
    );
    t.match(restored?.gone, [{ runId: 'run-abandoned', untilMs: nowMs + 86_400_000 }]);
    t.same(restored?.open, [{ ...open[0], items: [{ key: 'c:tokens:*', window, amount: 77n }] }]);
  },
);

t.test(
  'a proxy that died is waited for until its spool is drained and its runs are closed, and then needs no mark',
  async (t) => {
    await report('dead', { running: false, backlog_bytes: 10, open_runs: 2 });
    await lose();
    await look();
    t.match(await readWaits(), [{ proxy: 'dead', why: 'behind' }]);
    await report('dead', { running: false, open_runs: 2 });
    await look();
    t.match(await readWaits(), [{ proxy: 'dead', why: 'open_runs' }]);
    await report('dead', { running: false });
    await look();
    t.equal(control.epochs.get('acme'), await readEpoch());
  },
);

async function readWaits(): Promise<unknown> {
  const [rebuild] = (await readCounterHealth(context)).rebuilds;
  return rebuild === undefined ? null : JSON.parse(rebuild.waiting);
}

t.test('a proxy that restarted has to mark its new epoch', async (t) => {
  await report('p1');
  await lose();
  await mark('p1');
  await report('p1', { proxy_epoch: 2, marks: await passed() });
  await look();
  t.match(await readWaits(), [{ proxy: 'p1', why: 'not_marked' }]);
  await mark('p1', { proxyEpoch: 2, lastSeq: 0 });
  await look();
  t.equal(control.epochs.get('acme'), await readEpoch());
  t.equal(queries[0]?.cuts.length, 4, 'both epochs are cut');
});

t.test('a live proxy is waited for even where no shipper ever reported, and a mark never moves', async (t) => {
  control.live.push({
    ...{ proxy_id: 'p9', proxy_epoch: 4, at_ms: nowMs, manifest_id: null, manifest_sequence: null },
    ...{ running: 0, draining: false },
  });
  await lose();
  await look();
  t.match(await readWaits(), [{ proxy: 'p9', why: 'no_report' }]);
  await report('p9', { proxy_epoch: 4 });
  await mark('p9', { proxyEpoch: 4, lastSeq: 5 });
  await mark('p9', { proxyEpoch: 4, lastSeq: 50 });
  await report('p9', { proxy_epoch: 4, marks: await passed() });
  await look();
  t.equal(control.epochs.get('acme'), await readEpoch());
  t.equal(queries[0]?.cuts[0]?.lastSeq, 5);
});

t.test(
  'a silent spool is named by the doctor and in the audit log; an operator can go on without it, on record',
  async (t) => {
    await report('p1');
    await report('gone');
    await lose();
    await t.rejects(acceptGap(context, control.principal, 'nobody'), { code: 'not_found' });
    await t.rejects(acceptGap(context, control.principal, 'gone'), { code: 'conflict' }, 'nothing waits for it yet');
    await mark('p1');
    for (let second = 0; second < 12; second += 1) {
      nowMs += 1_000;
      await report('p1', { marks: await passed() });
      await look();
    }
    const waits = (await readActs()).filter(
      (act) => act.act === 'counters.wait' && act.facts.proxies === 'gone:silent',
    );
    t.equal(waits.length, 1, 'once a rebuild');
    const health = await readCounterHealth(context);
    const [finding] = await examineCounters(context, health);
    t.match(finding, { severity: 'error', message: /acme.*Redis has lost its data.*gone: .*accept-gap --proxy gone/ });
    t.match(examineSpools(health.spools, nowMs), [
      { severity: 'error', message: /^gone: .*silent for 1\d s with runs left/ },
    ]);

    const gap = await acceptGap(context, control.principal, 'gone');
    t.same(gap, { proxy: 'gone', tenants: ['acme'], forgotten: false });
    await look();
    t.equal(control.epochs.get('acme'), await readEpoch());
    const acts = await readActs();
    t.match(acts.at(-2), { act: 'counters.accept_gap', object_id: 'gone' });
    t.match(acts.at(-1), { act: 'counters.rebuild', facts: { accepted_gaps: 'gone' } });
    t.match((await readActs('')).at(-1), { act: 'counters.accept_gap', object_id: 'gone', facts: { tenants: 1 } });
    nowMs += 60_000;
    t.match(await acceptGap(context, control.principal, 'gone'), { tenants: [], forgotten: true });
    t.notOk((await readCounterHealth(context)).spools.some((spool) => spool.proxy_id === 'gone'));
  },
);

t.test(
  'a rebuild that broke off while it wrote is done where its epoch stands, and begins anew where it does not',
  async (t) => {
    await lose();
    const second = await readEpoch();
    const key = { tenant: 'acme', counter_epoch: second };
    await context.store.transaction((tx) => tx.updateRebuild(key, { state: 'restoring' }));
    await look();
    const third = await readEpoch();
    t.not(third, second, 'Redis may have held it in between');
    t.match((await readActs()).at(-1), { act: 'counters.invalidate', facts: { cause: 'broken_off' } });
    control.epochs.set('acme', third);
    await context.store.transaction((tx) => tx.updateRebuild({ ...key, counter_epoch: third }, { state: 'restoring' }));
    await look();
    t.equal(await readEpoch(), third);
    t.match((await readActs()).at(-1), { act: 'counters.rebuild', facts: { resumed: 1 } });
  },
);

t.test('counters that do not read back as written are not in force: the rebuild begins anew', async (t) => {
  control.charges.push({
    ...{ limitId: 'tokens', atMs: nowMs, subTenant: null, keyId: null, actorType: null, actorId: null },
    ...{ provider: null, model: null, tags: {}, settled: 9n },
  });
  await lose();
  const broken = { ...context, counters: { ...context.counters, read: async () => [] } };
  const second = await readEpoch();
  await advanceCounters(broken, watch);
  t.equal(control.epochs.get('acme'), undefined);
  await look();
  t.not(await readEpoch(), second);
  nowMs += 2_000;
  await look();
  t.equal(control.epochs.get('acme'), await readEpoch());
});

t.test(
  'where a killed restorer still holds the tenant, the rebuild waits for its end without another epoch',
  async (t) => {
    await lose();
    const epoch = await readEpoch();
    const busy = {
      ...context,
      counters: {
        ...context.counters,
        restore: async () => {
          throw new HocError({ code: 'conflict', publicMessage: 'busy' });
        },
      },
    };
    for (let step = 0; step < 3; step += 1) await advanceCounters(busy, watch);
    await look();
    t.equal(await readEpoch(), epoch);
    t.equal(control.epochs.get('acme'), epoch);
  },
);

t.test('where ClickHouse is away nothing is restored, it is said once, and made up for', async (t) => {
  await lose();
  const away = {
    ...context,
    charges: {
      ...context.charges,
      sum: async () => {
        throw new Error('clickhouse is away');
      },
    },
  };
  const before = control.logged.length;
  for (let step = 0; step < 5; step += 1) await advanceCounters(away, watch);
  t.equal(control.logged.length, before + 1);
  t.equal(control.epochs.get('acme'), undefined);
  await look();
  t.equal(control.epochs.get('acme'), await readEpoch());
});

t.test('counters whose writers lost ticks are invalid, those that grew are not', async (t) => {
  const before = await readEpoch();
  const ticks = (a: number, b: number) => control.ticks.set('acme', new Map(Object.entries({ a, b })));
  ticks(5, 9);
  await look();
  ticks(6, 9);
  await look();
  t.equal(await readEpoch(), before);
  ticks(5, 9);
  await look();
  t.not(await readEpoch(), before);
  t.equal(control.epochs.get('acme'), undefined, 'what stands is invalid for everybody');
  t.match((await readActs()).at(-1), { act: 'counters.invalidate', facts: { cause: 'rolled_back' } });
  nowMs += 2_000;
  await look();
  t.equal(control.epochs.get('acme'), await readEpoch());
});

t.test(
  'evicted keys invalidate everything, also where control was away, and nothing is restored while Redis may evict',
  async (t) => {
    const before = await readEpoch();
    control.server.evictedKeys = 3;
    await advanceCounters(context, createCounterWatch());
    t.not(await readEpoch(), before);
    nowMs += 2_000;
    await look();
    const second = await readEpoch();
    t.equal(control.epochs.get('acme'), second, 'once');
    control.server.evicts = true;
    await look();
    nowMs += 5_000;
    await look();
    t.equal(control.epochs.get('acme'), undefined);
    const findings = await examineCounters(context, await readCounterHealth(context));
    t.match(findings[0], { severity: 'error', message: /noeviction/ });
    control.server.evicts = false;
    await look();
    t.equal(control.epochs.get('acme'), await readEpoch());
    Object.assign(control.server, { runId: 'r2', evictedKeys: 0 });
    await look();
    t.same(await listOpenRebuilds(context), [], 'a restart that evicted nothing is none');
  },
);

t.test('the doctor tells of reservations that expired unsettled, and of those alone', async (t) => {
  const atMs = Date.UTC(2026, 4, 20, 8);
  const examine = async (expired: { count: number; madeGood: number }) => {
    const look = async (tenant: string) => ({
      ...(await context.counters.look(tenant)),
      expired: { ...expired, firstAtMs: atMs, lastAtMs: atMs + 60_000 },
    });
    const counters = { ...context.counters, look };
    return examineCounters({ ...context, counters }, await readCounterHealth(context));
  };
  t.match(await examine({ count: 5, madeGood: 2 }), [
    {
      severity: 'warning',
      message:
        /^acme: 3 reservations expired unsettled since 2026-05-20T08:00:00.000Z, the last at 2026-05-20T08:01:00.000Z: they count as spent/,
      damage: { id: 'counters/acme/expired', found: { ranges: [[atMs, atMs + 60_000]] } },
    },
  ]);
  t.match(await examine({ count: 2, madeGood: 2 }), [{ severity: 'ok' }]);
});

t.test('as many expired reservations as were acknowledged are shown again where one of them is new', async (t) => {
  const atMs = Date.UTC(2026, 4, 20, 8);
  const examine = async (firstAtMs: number, lastAtMs: number) => {
    const expired = { count: 3, madeGood: 0, firstAtMs, lastAtMs };
    const look = async (tenant: string) => ({ ...(await context.counters.look(tenant)), expired });
    const health = await readCounterHealth(context);
    const [verdict] = await examineCounters({ ...context, counters: { ...context.counters, look } }, health);
    if (verdict?.damage === undefined) throw new Error('nothing is shown');
    return { ...verdict, damage: verdict.damage };
  };
  const { damage } = await examine(atMs, atMs + 60_000);
  const row = { finding: damage.id, found: JSON.stringify(damage.found), reason: 'seen', actor: 'me', at_ms: atMs };
  const severities = async (firstAtMs: number, lastAtMs: number) =>
    showVerdict('counters', await examine(firstAtMs, lastAtMs), new Map([[damage.id, row]])).severity;
  t.equal(await severities(atMs, atMs + 60_000), 'acknowledged');
  t.equal(await severities(atMs, atMs + 90_000), 'warning', 'another was made good');
  t.equal(await severities(atMs + 300_000, atMs + 360_000), 'warning', 'after a rebuild');
});

t.test('two controls that look at once take one epoch and restore it once', async (t) => {
  control.epochs.delete('acme');
  const acts = (await readActs()).length;
  await Promise.all([look(), advanceCounters(context, createCounterWatch())]);
  t.equal((await readActs()).length, acts + 1);
  nowMs += 2_000;
  await Promise.all([look(), advanceCounters(context, createCounterWatch())]);
  t.equal(control.epochs.get('acme'), await readEpoch());
  t.equal((await readActs()).length, acts + 2, 'one invalidation and one rebuild are on record');
});

t.test('the doctor names damage, a full or a late spool, and lost leases', async (t) => {
  await report('p1', {
    damaged_frames: 2,
    quarantined_bytes: 90,
    missing_segments: 1,
    refused_rows: 4,
    lost_leases: 3,
  });
  await report('p2', { backlog_bytes: 5 * 1024 ** 3, oldest_at_ms: nowMs - 61_000 });
  const findings = examineSpools((await readCounterHealth(context)).spools, nowMs).map((one) => one.message);
  for (const expected of [
    /^p1: 2 damaged frames/,
    /^p1: 90 bytes are quarantined/,
    /^p1: 1 segments .* gone/,
    /^p1: 4 rows were refused/,
    /^p1: 3 times its lease was lost/,
    /^p2: 5368709120 bytes wait for 61 s/,
    /^p2: its spool fills up/,
  ]) {
    t.ok(
      findings.some((message) => expected.test(message)),
      String(expected),
    );
  }
  t.equal(findings.length, 7);
});

t.test('a Redis that has just forgotten the proxies does not make their local shares larger', async (t) => {
  for (const id of ['a', 'b', 'c']) {
    const nothing = { manifest_id: null, manifest_sequence: null, running: 0, draining: false };
    control.live.push({ proxy_id: id, proxy_epoch: 1, at_ms: nowMs, ...nothing });
  }
  await look();
  await refreshSnapshot(context);
  const divisor = async () => (JSON.parse((await readManifest(context)).manifest) as Manifest).proxies;
  t.equal(await divisor(), 3);
  control.live.length = 0;
  await refreshSnapshot(context);
  t.equal(await divisor(), 3);
  nowMs += 15_000;
  await refreshSnapshot(context);
  t.equal(await divisor(), 1, 'but proxies that are gone are');
});

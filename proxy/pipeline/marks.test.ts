import t from 'tap';
import type { Frame, MarkHead } from '../../storage/schema/record.ts';
import type { MarkReport, OpenReservation } from '../../storage/schema/reservation.ts';
import { createMarks, type Marks } from './marks.ts';
import type { CompiledSnapshot } from './snapshot.ts';

interface World {
  marks: Marks;
  frames: Frame[];
  posted: MarkReport[];
  rebuilds: { tenant: string; counterEpoch: string }[];
  open: OpenReservation[];
  failures: string[];
  /** While true, control does not answer. */
  away: boolean;
  seq: number;
  /** Lets calls under way end. */
  release(): void;
}

function build(): World {
  let release: () => void = () => undefined;
  const quiet = new Promise<void>((resolve) => {
    release = resolve;
  });
  const lists = { frames: [] as Frame[], posted: [] as MarkReport[], rebuilds: [] as World['rebuilds'] };
  const world = { ...lists, open: [] as OpenReservation[], failures: [] as string[], away: false, seq: 7, release };
  const answer = (): void => {
    if (world.away) throw new Error('control is away');
  };
  const marks = createMarks({
    runs: { quiet: () => quiet, take: () => [...world.open] },
    spool: {
      ...{ proxyId: 'p1', epoch: 3 },
      nextSeq: () => world.seq,
      append: (...frames) => void world.frames.push(...frames),
    },
    control: {
      openRebuilds: async () => {
        answer();
        return world.rebuilds;
      },
      postMarks: async (reports) => {
        answer();
        world.posted.push(...reports);
      },
    },
    clock: { nowMs: () => 1_000, nowUs: () => 0 },
    onFailure: (what) => void world.failures.push(what),
  });
  return Object.assign(world, { marks });
}

/** A snapshot as far as marks look at it. */
function snapshotOf(epochs: Readonly<Record<string, string>>): CompiledSnapshot {
  const tenants = Object.entries(epochs).map(([tenant, epoch]) => [tenant, { ids: { tenant, counter_epoch: epoch } }]);
  return { tenants: new Map(tenants as never) } as unknown as CompiledSnapshot;
}

t.test(
  'a new epoch of a tenant is marked once, after the calls under way, and told with what is open then',
  async (t) => {
    const world = build();
    world.marks.follow(snapshotOf({ acme: 'e1', other: 'o1' }));
    world.release();
    await world.marks.tell();
    t.same(world.posted, [], 'the first snapshot is no change');

    const late = build();
    late.marks.follow(snapshotOf({ acme: 'e1' }));
    late.marks.follow(snapshotOf({ acme: 'e2' }));
    const telling = late.marks.tell();
    late.open.push({ runId: 'r1', atMs: 1, expiresInMs: 2, items: [] });
    late.seq = 9;
    await new Promise((resolve) => setImmediate(resolve));
    t.equal(late.frames.length, 0, 'a call under way may still be granted under the old epoch');
    late.release();
    await telling;
    t.equal(late.frames.length, 1);
    t.match(late.frames[0], { kind: 'mark', seq: 0 });
    const head = JSON.parse(late.frames[0]?.head.toString() ?? '') as MarkHead;
    t.same(head, { v: 1, kind: 'mark', tenant: 'acme', counter_epoch: 'e2', at_ms: 1_000 });
    t.match(late.posted, [{ proxyId: 'p1', proxyEpoch: 3, tenant: 'acme', counterEpoch: 'e2', lastSeq: 8 }]);
    t.same(late.posted[0]?.open, late.open);
    late.marks.follow(snapshotOf({ acme: 'e2' }));
    await late.marks.tell();
    t.equal(late.frames.length, 1);
    t.equal(late.posted.length, 1);
  },
);

t.test('what control did not acknowledge is told again, the mark itself never made twice, and said once', async (t) => {
  const world = build();
  world.release();
  world.marks.follow(snapshotOf({ acme: 'e1' }));
  await world.marks.tell();
  world.marks.follow(snapshotOf({ acme: 'e2' }));
  world.away = true;
  for (let turn = 0; turn < 3; turn += 1) await world.marks.tell();
  t.same(world.failures, ['marks']);
  world.away = false;
  await world.marks.tell();
  await world.marks.tell();
  t.equal(world.frames.length, 1);
  t.equal(world.posted.length, 1);
});

t.test('a proxy that starts into a rebuild marks for it, also where the epoch reaches it later', async (t) => {
  const world = build();
  world.release();
  world.rebuilds.push({ tenant: 'acme', counterEpoch: 'e2' }, { tenant: 'other', counterEpoch: 'o9' });
  world.marks.follow(snapshotOf({ acme: 'e2', other: 'o8', quiet: 'q1' }));
  await world.marks.tell();
  t.same(
    world.posted.map((report) => report.tenant),
    ['acme'],
  );
  world.marks.follow(snapshotOf({ acme: 'e2', other: 'o9', quiet: 'q1' }));
  await world.marks.tell();
  await world.marks.tell();
  t.same(
    world.posted.map((report) => report.tenant),
    ['acme', 'other'],
  );
  t.equal(world.frames.length, 2);
});

t.test('of two epochs in a row the later is marked', async (t) => {
  const world = build();
  world.release();
  for (const epoch of ['e1', 'e2', 'e3']) world.marks.follow(snapshotOf({ acme: epoch }));
  await world.marks.tell();
  t.same(
    world.posted.map((report) => report.counterEpoch),
    ['e3'],
  );
});

t.test(
  'between a new epoch and its mark no epoch is named for runs without counters: the rebuild has them',
  async (t) => {
    const world = build();
    t.equal(world.marks.epochOf('acme'), '', 'nothing is in force');
    world.marks.follow(snapshotOf({ acme: 'e1', other: 'o1' }));
    t.equal(world.marks.epochOf('acme'), 'e1', 'also while control has not answered a proxy that starts');
    await world.marks.tell();
    t.equal(world.marks.epochOf('acme'), 'e1');
    world.marks.follow(snapshotOf({ acme: 'e2', other: 'o1' }));
    const telling = world.marks.tell();
    t.same([world.marks.epochOf('acme'), world.marks.epochOf('other')], ['', 'o1']);
    world.release();
    await telling;
    t.equal(world.frames.length, 1);
    t.equal(world.marks.epochOf('acme'), 'e2', 'from the mark on nobody but the run itself knows');
  },
);

import t from 'tap';
import { createLocalShare } from '../../policy/limits/index.ts';
import type { FinishRecord, Frame, IntentRecord, OpenValues } from '../../storage/schema/record.ts';
import type { KeyEntry } from '../../storage/schema/snapshot.ts';
import type { CallerAnswer, InboundCall } from './call.ts';
import { createRefusalCollapse } from './collapse.ts';
import { createOpenReservations } from './open-reservations.ts';
import type { Gate } from './ports.ts';
import { openRun, type Run, refuse } from './run.ts';
import type { CompiledTenant } from './snapshot.ts';

const call: InboundCall = { method: 'GET', url: '/x', rawHeaders: [], readBody: async () => Buffer.alloc(0) };

const suspect = {
  tenant: { tenant: 'acme', snapshotId: 'f'.repeat(64) } as CompiledTenant,
  key: { id: '', sub_tenant: null } as KeyEntry,
  provider: null,
};

function createWorld() {
  let nowMs = 1_000_000;
  let ids = 0;
  let seq = 0;
  const finished: FinishRecord[] = [];
  const begun: IntentRecord[] = [];
  const settled: OpenValues[] = [];
  const answered: string[] = [];
  const gate: Gate = {
    clock: { nowMs: () => nowMs, nowUs: () => nowMs * 1000 },
    ids: { runId: () => `run-${++ids}`, salt: () => '00'.repeat(16) },
    hashKey: (secret) => secret,
    snapshot: () => null,
    hasRoom: () => true,
    snapshotIsStale: () => false,
    reservations: { reserve: async () => ({ kind: 'down', reason: 'test' }), settle: async () => undefined },
    sessions: { note: async () => null },
    inspector: { inspect: () => Promise.reject(new Error('nothing is looked at')) },
    spool: {
      proxyId: 'p',
      epoch: 1,
      nextSeq: () => ++seq,
      append: (...frames: Frame[]) => {
        for (const frame of frames) {
          const record = JSON.parse(frame.head.toString()) as FinishRecord | IntentRecord;
          if (record.kind === 'intent') begun.push(record);
          else finished.push(record);
          settled.push(JSON.parse(frame.tail.toString()) as OpenValues);
        }
      },
      room: () => 'all',
    },
    upstream: {
      send: () => {
        throw new Error('a refused run is never sent');
      },
    },
    credentials: { find: () => null },
    telemetry: {
      runStarted: () => undefined,
      runFinished: () => undefined,
      limitUsed: () => undefined,
      limitNear: () => undefined,
      limitOverrun: () => undefined,
      limitToppedUp: () => undefined,
      runCut: () => undefined,
      failed: (_, error) => t.fail(String(error)),
    },
    counterEpoch: () => '',
    openReservations: createOpenReservations(),
    localShare: createLocalShare(),
    lateEnds: { add: () => undefined },
    settler: { add: () => undefined, flush: () => undefined },
    limits: { maxBodyBytes: 1, maxCaptureBytes: 1, maxDecideBytes: 1, reservationMs: 1 },
  };
  const caller: CallerAnswer = {
    destroyed: false,
    writeHead: (_status, _text, headers) => answered.push(headers[headers.indexOf('x-hoc-run-id') + 1] ?? ''),
    write: () => true,
    end: () => undefined,
    once: () => undefined,
    destroy: () => undefined,
  };
  const collapse = createRefusalCollapse(gate.clock);
  const refuseOne = (keyId: string, state: Partial<Run> = {}) => {
    const run = Object.assign(openRun(gate, call), state);
    run.suspect = { ...suspect, key: { ...suspect.key, id: keyId } };
    collapse.end(run, refuse('key_invalid', 'Key is revoked.', `key:${keyId}`), caller);
  };
  return {
    collapse,
    finished,
    begun,
    settled,
    answered,
    refuseOne,
    passSecond: () => {
      nowMs += 1000;
    },
  };
}

t.test(
  'a flood of one key becomes one counted record a second, and every answered run id opens a record',
  async (t) => {
    const world = createWorld();
    for (let index = 0; index < 500; index += 1) world.refuseOne('key_a');
    t.equal(world.finished.length, 50, 'the number of the rest waits for the end of the second');
    const known = new Set([...world.finished, ...world.begun].map((record) => record.run_id));
    t.ok(
      world.answered.every((id) => known.has(id)),
      'whatever becomes of this process',
    );
    t.equal(world.begun.length, 1);
    t.match(world.begun[0], { verdict: 'deny', decided_by: 'key:key_a', refusal: { code: 'key_invalid' } });
    world.passSecond();
    world.collapse.flush(false);
    t.equal(world.finished.length, 51);
    t.equal(world.finished.at(-1)?.count, 450);
    t.equal(
      world.finished.reduce((sum, record) => sum + record.count, 0),
      500,
    );
    const onRecord = new Set(world.finished.map((record) => record.run_id));
    t.ok(world.answered.every((id) => onRecord.has(id)));
  },
);

t.test('keys do not share a flood, and a new second counts anew', async (t) => {
  const world = createWorld();
  for (let index = 0; index < 60; index += 1) world.refuseOne('key_a');
  world.refuseOne('key_b');
  t.equal(world.finished.filter((record) => record.key_id === 'key_b').length, 1);
  world.passSecond();
  world.refuseOne('key_a');
  t.equal(
    world.finished.filter((record) => record.count === 10).length,
    1,
    'what stood is recorded before the new second',
  );
  world.collapse.flush(true);
  t.equal(
    world.finished.reduce((sum, record) => sum + record.count, 0),
    62,
  );
});

t.test(
  'a run that the counters may hold is recorded by itself in any flood, so that its record settles it',
  async (t) => {
    const world = createWorld();
    for (let index = 0; index < 60; index += 1) world.refuseOne('key_a');
    const before = world.finished.length;
    const item = {
      key: 'daily|',
      limitId: 'daily',
      amount: 5n,
      ceiling: 9n,
      near: 8n,
      window: { align: 'none' },
    } as const;
    const plan = { limits: [], caps: [], items: [item] } as unknown as NonNullable<Run['reserved']>['plan'];
    const reserved = { plan, items: [item], readings: [], held: false, sinceMs: [], refusedBy: null };
    world.refuseOne('key_a', { reserved, mayBeGranted: true });
    world.refuseOne('key_a', { reserved: { ...reserved, held: true } });
    t.equal(world.finished.length, before + 2);
    t.same(
      world.settled.slice(-2).map(({ settle }) => settle),
      Array(2).fill([{ key: 'daily|', amount: '0' }]),
    );
  },
);

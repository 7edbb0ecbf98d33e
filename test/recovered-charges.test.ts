import t from 'tap';
import { connectRedis, waitForRedis } from '../storage/redis/connection.ts';
import { type Redis, readCounters } from '../storage/redis/index.ts';
import type { CounterWindow } from '../storage/schema/reservation.ts';
import { type CallShape, makeCall, type Sighting } from './faults/callers.ts';
import { type RecordedCharge, readCharges, sumCharges } from './faults/charges.ts';
import { type Stage, startStage } from './faults/stage.ts';
import { findTarget } from './faults/targets.ts';
import { type ExportedRun, until } from './installation.ts';

t.setTimeout(230_000);

const day: CounterWindow = { align: 'calendar', unitMs: 86_400_000 };
let stage: Stage;
let redis: Redis;

t.before(async () => {
  stage = await startStage({
    redis: true,
    // A busy machine must not pass for a Redis that is away.
    env: { HOC_REDIS_TIMEOUT_MS: '2000' },
    keys: ['talker', 'loose'],
    tenant: `
    limits:
      - { id: talked, kind: tokens, counts: total, ceiling: 100000000, window: 1d, align: calendar, match: { key: talker } }
      - { id: spent, kind: money, ceilingUsd: "100", window: 1d, align: calendar, match: { key: loose }, whenRedisIsDown: allow }
      - { id: calls, kind: requests, ceiling: 1000000, window: 1d, align: calendar, match: { key: loose }, whenRedisIsDown: allow }`,
  });
  t.teardown(() => stage.stop());
  redis = connectRedis(stage.redis?.engine.url ?? '');
  t.teardown(() => redis.disconnect());
  await waitForRedis(redis, 10_000);
});

const stream = (part: Partial<CallShape>): CallShape => ({
  ...{ stream: true, fault: null, maxTokens: null, leavesAfterMs: null, prompt: 'Tell me a story.' },
  ...part,
});

function callAll(name: string, count: number, shape: CallShape): Promise<Sighting[]> {
  const key = stage.keys[name] ?? '';
  const call = (nth: number) => makeCall({ proxy: stage.hoc.proxy, key, call: `${name}-${nth}-${shape.fault}`, shape });
  return Promise.all(Array.from({ length: count }, (_, nth) => call(nth)));
}

async function readCounter(limitId: string): Promise<{ used: bigint; reserved: bigint }> {
  const [reading] = await readCounters(redis, 'acme', [{ key: `c:${limitId}:*`, window: day }]);
  return { used: reading?.used ?? 0n, reserved: reading?.reserved ?? 0n };
}

/** Charges of a limit once `count` runs have ended on record and Redis counts exactly what they were charged. */
async function agreed(limitId: string, count: number): Promise<RecordedCharge[]> {
  let seen = '';
  let charges: RecordedCharge[] = [];
  await until(async () => {
    charges = await readCharges(stage.hoc, limitId);
    const counter = await readCounter(limitId);
    const { settled, admitted } = sumCharges(charges);
    seen = `${admitted} runs of ${count} on record with ${settled}; counter ${counter.used} + ${counter.reserved}`;
    return admitted === count && counter.used === settled && counter.reserved === 0n;
  }, `records and counter of ${limitId} to agree`).catch((error: unknown) => {
    throw new Error(seen, { cause: error });
  });
  return charges;
}

function killProxy(): void {
  process.kill(findTarget(stage.hoc.data, 'proxy').pid, 'SIGKILL');
}

function statusesOf(charges: readonly RecordedCharge[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of charges) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

t.test(
  'streams that nothing bounds, killed with their proxy: on record and charged with all that they held',
  async (t) => {
    // No price list knows the model, and nobody states a cap.
    const calls = callAll('talker', 10, stream({ model: 'sim-small+fault=endless,rate:150' }));
    await until(async () => (await readCounter('talked')).reserved > 60_000n, 'top-ups of each stream');
    killProxy();
    const held = await readCounter('talked');
    t.ok((await calls).every(({ end }) => end === 'broken'));
    const charges = await agreed('talked', 10);
    const { settled } = sumCharges(charges);
    t.comment(`held ${held.used} + ${held.reserved}, on record ${settled}`);
    t.same(statusesOf(charges), { abandoned: 10 });
    t.ok(settled >= held.used + held.reserved, 'never less than was held');
    t.ok(settled <= held.used + held.reserved + 10n * 2048n, 'and no more than what was being asked for besides');
    t.ok(charges.every((charge) => charge.settled === charge.reserved));
  },
);

t.test('runs let through while Redis stood still, killed with their proxy, are counted once it is back', async (t) => {
  const ended = () => callAll('loose', 5, { ...stream({ maxTokens: 20, fault: 'rate:200' }), stream: false });
  const ids: (string | null)[] = [];
  await stage.hoc.ready(60_000);
  stage.redis?.engine.signal('SIGSTOP');
  try {
    for (const { runId, status } of await ended()) {
      t.equal(status, 200);
      ids.push(runId);
    }
    const running = callAll('loose', 5, stream({ maxTokens: 2000, fault: 'rate:20' }));
    const isRunning = (runs: ExportedRun[]) => runs.filter(({ status }) => status === 'running').length === 5;
    await stage.hoc.exportRuns(isRunning);
    killProxy();
    await running;
  } finally {
    // What the dead proxy had asked for is served only now.
    stage.redis?.engine.signal('SIGCONT');
  }
  for (const limitId of ['calls', 'spent']) {
    const charges = await agreed(limitId, 10);
    t.same(statusesOf(charges), { succeeded: 5, abandoned: 5 });
    t.ok(charges.every(({ reserved, settled }) => reserved === 0n && settled > 0n));
  }
});

t.test('runs that their proxy had counted already before it was killed are not counted again', async (t) => {
  await stage.hoc.ready(60_000);
  stage.redis?.engine.signal('SIGSTOP');
  const sightings = await callAll('loose', 8, { ...stream({ maxTokens: 20, fault: 'rate:300' }), stream: false });
  t.ok(sightings.every(({ status }) => status === 200));
  stage.redis?.engine.signal('SIGCONT');
  await agreed('calls', 18);
  killProxy();
  await stage.hoc.ready(60_000);
  await until(
    async () => /^hoc_shipper_unsettled_runs(\{[^}]*\})? 0$/m.test(await stage.hoc.metrics()),
    'nothing owed',
  );
  await agreed('calls', 18);
  await agreed('spent', 18);
});

import t from 'tap';
import { buildCounters, planSums } from '../console/operations/counters/sums.ts';
import { compileLimits, planReservation, raiseItems } from '../policy/limits/index.ts';
import { bounded, run as facts, limit, money } from '../policy/limits/test-limits.ts';
import { chargeOutcome } from '../proxy/pipeline/charges.ts';
import { createOpenReservations } from '../proxy/pipeline/open-reservations.ts';
import type { Gate } from '../proxy/pipeline/ports.ts';
import { openRun, type Reserved, type Run } from '../proxy/pipeline/run.ts';
import { raiseReservation } from '../proxy/pipeline/top-up.ts';
import { insertBatch, sumCharges } from '../storage/clickhouse/index.ts';
import { openTestEngine, testRun } from '../storage/clickhouse/test-rows.ts';
import { connectRedis, createReservations, restoreCounters, writeEpochIfAbsent } from '../storage/redis/index.ts';
import { limitKeys, windowTag } from '../storage/redis/keys.ts';
import { decodeReadings, readNumbers } from '../storage/redis/limits-call.ts';
import { createScript, limitsSource, readCountersSource, restoreSources } from '../storage/redis/script.ts';
import { startRedisServer } from '../storage/redis/test-server.ts';
import type { LimitCharge } from '../storage/schema/run.ts';

const minuteMs = 60_000;
/** Redis, the proxy and control share this clock. */
const clock = `local now = tonumber(redis.call('GET', 'test:now'))`;
let nowMs = 0;
const epochs = new Map<string, string>();

const entries = [
  money({ id: 'budget' }),
  limit({ id: 'hourly', kind: 'tokens', unit: 'total_tokens', ceiling: '1000000', window: '1h' }),
  limit({ id: 'requests', window: '1d', align: 'calendar' }),
];
const limits = compileLimits(entries);

const engine = await openTestEngine();
const server = await startRedisServer();
const redis = connectRedis(server.url);
const reservations = createReservations(redis, {
  callerId: 'proxy:p1',
  epochOf: (tenant) => epochs.get(tenant) ?? null,
  timeoutMs: 5_000,
  source: limitsSource(clock),
});
await reservations.ready();
t.teardown(async () => {
  await reservations.close();
  redis.disconnect();
  await Promise.all([server.stop(), engine.close()]);
});

async function setClock(ms: number): Promise<void> {
  nowMs = ms;
  await redis.set('test:now', ms);
}

/** Used and reserved of each limit, as Redis counts now. */
async function readAll(tenant: string): Promise<[bigint, bigint][]> {
  const reader = createScript(redis, readCountersSource(clock));
  const words = limits.flatMap(({ id, window }) => [`c:${id}:*`, windowTag(window)]);
  const answer = readNumbers(await reader.run(limitKeys(tenant), words));
  return decodeReadings(answer, 0, limits.length).map(({ used, reserved }) => [used, reserved]);
}

/** A run as the proxy has it, without what stages 1 to 4 found out. */
function openBareRun(openReservations: Gate['openReservations']): Run {
  const told = () => undefined;
  const gate = {
    clock: { nowMs: () => nowMs, nowUs: () => nowMs * 1000 },
    ids: { runId: () => `run-${nowMs}` },
    limits: { reservationMs: 3_600_000 },
    telemetry: { limitNear: told, limitToppedUp: told },
    reservations,
    openReservations,
  } as unknown as Gate;
  return openRun(gate, { method: 'POST' } as Run['call']);
}

/** Reserves at `startMs`, and raises at each of `raises` by a tranche more. */
async function hold(tenant: string, startMs: number, raises: readonly number[]): Promise<Run & { reserved: Reserved }> {
  await setClock(startMs);
  epochs.set(tenant, 'e1');
  await writeEpochIfAbsent(redis, tenant, 'e1');
  const run = openBareRun(createOpenReservations());
  const plan = planReservation(limits, { run: facts, amounts: bounded, nowMs });
  const reserved: Reserved = { plan, items: plan.items, readings: [], held: false, sinceMs: [], refusedBy: null };
  run.reserved = reserved;
  await raiseReservation(run, { tenant, items: plan.items, raises: false });
  run.events.push({ stage: 'reserve', at_us: 900, detail: 'ok' });
  for (const [index, atMs] of raises.entries()) {
    await setClock(atMs);
    const more = BigInt(index + 1);
    const amounts = { ...bounded, outputTokens: 1000n + more, costNanoUsd: 720_000_000n + more };
    const items = raiseItems({ ...plan, items: run.reserved.items }, amounts);
    const reply = await raiseReservation(run, { tenant, items, raises: true });
    t.equal(reply.kind, 'granted');
  }
  return Object.assign(run, { reserved: run.reserved });
}

/** What control would write back from the records. */
async function sumRecords(tenant: string) {
  const query = { limits: planSums(entries, nowMs), cuts: [] };
  return buildCounters(entries, await sumCharges(engine.ch, { kind: 'tenant', tenant }, query), nowMs);
}

// Run ids carry the time at which they are made, and sums look for them around it.
const midnight = Math.ceil(Date.now() / 86_400_000) * 86_400_000;
const usage = {
  input_tokens: 2000,
  output_tokens: 500,
  cached_input_tokens: 0,
  cache_write_tokens: 0,
  reasoning_tokens: 0,
};

for (const [name, raises, lookMs] of [
  ['before its windows end', [midnight - 8 * minuteMs], midnight - 7 * minuteMs],
  ['over the end of a day', [midnight - 5 * minuteMs, midnight + 5 * minuteMs], midnight + 6 * minuteMs],
  ['over the end of a rolling hour', [midnight - 5 * minuteMs, midnight + 80 * minuteMs], midnight + 90 * minuteMs],
  ['over the end of a day without taking more', [], midnight + 6 * minuteMs],
  ['over two days', [midnight + 5 * minuteMs, midnight + 1500 * minuteMs], midnight + 1501 * minuteMs],
] as const) {
  t.test(`counters, records and what is open agree on a run that goes on ${name}`, async (t) => {
    const tenant = `t${lookMs}-${raises.length}`;
    const run = await hold(tenant, midnight - 10 * minuteMs, raises);
    await setClock(lookMs);
    const before = await readAll(tenant);
    const open = run.gate.openReservations.list(tenant);
    t.equal(open.length, 1);
    await restoreCounters(redis, { tenant, epoch: 'e2', counters: [], open }, restoreSources(clock));
    t.same(await readAll(tenant), before, 'rebuilt while it is open');

    epochs.set(tenant, 'e2');
    const charged = chargeOutcome(run, run.reserved, { costNanoUsd: 5_000_000n, usage });
    const items = charged.settle.map(({ key, amount }) => ({ key, amount: BigInt(amount) }));
    await reservations.settle([{ tenant, runId: run.id, items }]);
    const settled = await readAll(tenant);
    await record(tenant, run, charged.charges);
    const counters = await sumRecords(tenant);
    await restoreCounters(redis, { tenant, epoch: 'e3', counters, open: [] }, restoreSources(clock));
    t.same(await readAll(tenant), settled, 'rebuilt from its record');
  });
}

async function record(tenant: string, run: Run, charges: readonly LimitCharge[]): Promise<void> {
  const row = testRun({ tenant, started_at: run.startedAtMs, events: run.events, limits: charges });
  await insertBatch(engine.ch, { id: `batch-${tenant}`, records: [], runs: [row], payloads: [] });
}

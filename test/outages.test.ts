import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { type CallShape, startCallers } from './faults/callers.ts';
import { askClickHouse } from './faults/check-stores.ts';
import { checkAll } from './faults/kill-rounds.ts';
import { freezeTarget } from './faults/killer.ts';
import { compareP99, spanOf } from './faults/latency.ts';
import { createRandom } from './faults/random.ts';
import { type Stage, startStage } from './faults/stage.ts';
import { findTarget, readResidentBytes } from './faults/targets.ts';

t.setTimeout(1_800_000);

/** Lengths of the outages; `npm run proof` sets the long ones. */
const frozenShipperMs = Number(process.env.HOC_PROOF_SHIPPER_MS ?? 10_000);
const clickHouseAwayMs = Number(process.env.HOC_PROOF_CLICKHOUSE_MS ?? 20_000);
const frozenRedisMs = Number(process.env.HOC_PROOF_REDIS_MS ?? 5000);

let stage: Stage;
t.before(async () => {
  stage = await startStage({
    redis: true,
    clickhouse: true,
    tenant: `
    limits:
      - { id: budget, kind: money, ceilingUsd: "1000", window: 1d, align: calendar, whenRedisIsDown: allow }
      - { id: rate, kind: requests, ceiling: 10000000, window: 1h, align: rolling, by: [key], whenRedisIsDown: allow }`,
  });
  t.teardown(() => stage.stop());
});

const whole = (): CallShape => ({
  stream: false,
  fault: null,
  maxTokens: 100,
  leavesAfterMs: null,
  prompt: 'How are you?',
});

/** A steady load whose calls take the time that the proxy takes: the provider answers at once. */
function steadyLoad(callers = 8, seed = 1) {
  return startCallers({
    proxies: stage.hoc.proxies,
    key: stage.key,
    callers,
    random: createRandom(seed),
    shape: whole,
    pauseMs: 20,
  });
}

const proxyPid = () => findTarget(stage.hoc.data, 'proxy').pid;
const logBytes = () => statSync(join(stage.hoc.data, 'logs/proxy.log')).size;

t.test('a shipper that stands still makes no run slower, and ships everything afterwards', async (t) => {
  const load = steadyLoad(8, 11);
  await delay(2000);
  const before = await spanOf('running', () => delay(frozenShipperMs / 2));
  const thaw = freezeTarget(stage.hoc.data, 'shipper');
  const fault = await spanOf('frozen', () => delay(frozenShipperMs));
  thaw();
  await delay(1000);
  const after = await spanOf('running', () => delay(frozenShipperMs / 2));
  await load.stop();
  const windowMs = Math.min(2500, frozenShipperMs / 4);
  const found = compareP99({ sightings: load.sightings, calm: [before, after], fault, windowMs });
  t.comment(
    `p99 ${found.calmMs.toFixed(1)} ms running, ${found.faultMs.toFixed(1)} ms frozen: ratio ${found.ratio.toFixed(2)}`,
  );
  // The machine is shared: the frozen windows' median may not pass the worst window of those around it by half.
  t.ok(found.faultMs <= 1.5 * found.worstCalmMs, JSON.stringify(found));
  t.ok(load.sightings.every((sighting) => sighting.end === 'whole'));
  t.same((await checkAll(stage, load.sightings)).violations, []);
});

t.test('a Redis that stands still is told within the added 150 ms at p99, and bounds memory and log', async (t) => {
  const load = steadyLoad(8, 12);
  await delay(1000);
  const before = await spanOf('answering', () => delay(frozenRedisMs));
  const memory = readResidentBytes(proxyPid());
  const log = logBytes();
  stage.redis?.engine.signal('SIGSTOP');
  const fault = await spanOf('frozen', () => delay(frozenRedisMs));
  const grown = readResidentBytes(proxyPid()) - memory;
  const logged = logBytes() - log;
  stage.redis?.engine.signal('SIGCONT');
  await delay(1000);
  const after = await spanOf('answering', () => delay(frozenRedisMs / 2));
  await load.stop();
  const windowMs = frozenRedisMs / 5;
  const found = compareP99({ sightings: load.sightings, calm: [before, after], fault, windowMs });
  t.comment(`p99 ${found.calmMs.toFixed(1)} ms answering, ${found.faultMs.toFixed(1)} ms frozen, medians of windows`);
  t.comment(`memory ${(grown / 1024 / 1024).toFixed(1)} MiB, log ${logged} bytes more`);
  // Against the worst of the windows around it: the machine is shared, and slow by itself at times.
  t.ok(found.faultMs - found.worstCalmMs < 150, JSON.stringify(found));
  t.ok(grown < 64 * 1024 * 1024, `${grown} bytes of memory`);
  t.ok(logged < 256 * 1024, `${logged} bytes of log`);
  t.ok(
    load.sightings.every((sighting) => sighting.end === 'whole'),
    'the mode of every limit is allow',
  );
  const check = await checkAll(stage, load.sightings);
  t.same(check.violations, []);
  const runs = await stage.hoc.exportRuns(() => true);
  const marked = runs.filter((run) => run.marks.includes('redis_degraded')).length;
  t.ok(marked > 0, `${marked} runs are marked`);
  t.match(await stage.hoc.metrics(), /^hoc_run_marks_total\{[^}]*mark="redis_degraded"[^}]*\} [1-9]/m);
});

t.test(
  'ClickHouse away, silent, or committing without an answer: nothing lost, nothing doubled, caught up',
  async (t) => {
    const link = stage.clickhouse?.link;
    const load = steadyLoad(8, 13);
    const part = clickHouseAwayMs / 4;
    const note = (text: string) => t.comment(`${text}: ${load.sightings.length} runs`);
    await delay(1000);
    await link?.set({ refuse: true });
    link?.reset();
    await delay(part);
    note('refused');
    await link?.set({ up: { latencyMs: 200, jitterMs: 200 }, down: { latencyMs: 100, bytesPerSecond: 20_000 } });
    await delay(part);
    note('slow');
    await link?.set({ down: { swallow: true } });
    await delay(part);
    note('answers swallowed');
    await link?.set({ down: { blackHole: true } });
    await delay(part);
    note('black hole');
    await link?.set({});
    link?.reset();
    await load.stop();
    const check = await checkAll(stage, load.sightings);
    t.same(check.violations, []);
    t.ok(check.equal >= load.sightings.length);
    const url = stage.clickhouse?.engine.url ?? '';
    const [raw] = await askClickHouse<{ runs: string; rows: string }>(
      url,
      'SELECT uniqExact(run_id) AS runs, count() AS rows FROM runs FINAL',
    );
    t.equal(raw?.rows, raw?.runs, 'one row a run');
  },
);

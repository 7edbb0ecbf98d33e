import { Agent } from 'node:http';
import t from 'tap';
import { connectRedis, waitForRedis } from '../storage/redis/connection.ts';
import { type Redis, readCounters } from '../storage/redis/index.ts';
import { type CallShape, makeCall, type Sighting } from './faults/callers.ts';
import { readCharges, sumCharges } from './faults/charges.ts';
import { checkAll } from './faults/kill-rounds.ts';
import { readLedger } from './faults/ledger.ts';
import { type Stage, startStage } from './faults/stage.ts';
import { until } from './installation.ts';

t.setTimeout(230_000);

const callers = 240;
const ceiling = 200_000_000n;
let stage: Stage;
let redis: Redis;

t.before(async () => {
  stage = await startStage({
    proxies: 4,
    tenant: `
    limits:
      - { id: streams, kind: money, ceilingUsd: "0.2", window: 1d, align: rolling }`,
  });
  t.teardown(() => stage.stop());
  redis = connectRedis(stage.hoc.engines.REDIS_URL);
  t.teardown(() => redis.disconnect());
  await waitForRedis(redis, 10_000);
});

/** Streams of different length and speed, all longer than a tranche; one caller in eight leaves in the middle. */
const shape = (nth: number): CallShape => ({
  stream: true,
  fault: `tokens:${180 + (nth % 5) * 30},rate:${18 + (nth % 4) * 4}`,
  maxTokens: 4000,
  leavesAfterMs: nth % 8 === 0 ? 3000 + nth * 5 : null,
  prompt: 'Tell me a long story, please.',
});

/** All callers at once, twice, or until one is refused. */
async function streamAll(): Promise<Sighting[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const sightings: Sighting[] = [];
  const loop = async (nth: number): Promise<void> => {
    for (let call = 0; call < 2 && sightings.at(-1)?.end !== 'refused'; call += 1) {
      const proxy = stage.hoc.proxies[(nth + call) % stage.hoc.proxies.length] ?? '';
      sightings.push(await makeCall({ agent, proxy, key: stage.key, call: `s-${nth}-${call}`, shape: shape(nth) }));
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, nth) => loop(nth)));
  agent.destroy();
  return sightings;
}

async function sumOfMetric(pattern: RegExp): Promise<number> {
  return [...(await stage.hoc.metrics()).matchAll(pattern)].reduce((sum, [, value]) => sum + Number(value), 0);
}

t.test('hundreds of long streams over four proxies at the edge of a budget overspend nothing of it', async (t) => {
  const sightings = await streamAll();
  t.same((await checkAll({ ...stage, toldOverruns: true }, sightings)).violations, []);
  const charges = await readCharges(stage.hoc, 'streams');
  const used = sumCharges(charges);
  const costs = new Map((await readLedger(stage.simulator)).map((one) => [one.run_id, BigInt(one.cost_nano_usd)]));
  const spent = [...costs.values()].reduce((sum, cost) => sum + cost, 0n);
  const cut = charges.filter(({ status }) => status === 'truncated');
  const overruns = charges.filter(({ settled, reserved }) => settled > reserved);
  t.comment(
    `${used.admitted} of ${sightings.length} admitted, ${cut.length} cut; ledger ${spent}, on record ${used.settled}, ` +
      `fullest ${used.fullest} of ${ceiling}; ${overruns.length} overruns come to ${used.overrun}`,
  );
  t.ok(used.admitted > callers / 2, 'hundreds began at once');
  t.ok(cut.length > 20, 'the edge was met by streams under way');
  t.ok((await sumOfMetric(/^hoc_limit_topups_total\{[^}]*result="granted"[^}]*\} (\d+)/gm)) > callers / 4, 'topped up');
  t.ok(used.fullest <= ceiling, 'spent and reserved never passed it in between');
  t.ok(spent <= ceiling + used.overrun, 'what the provider charged');
  t.ok(used.settled <= ceiling + used.overrun, 'and what is on record pass it by the overruns at most');
  t.ok(used.settled >= spent, 'never less on record than the provider charged');
  const runIds = new Map(sightings.map(({ call, runId }) => [runId, call]));
  const short = charges.filter(({ runId, settled }) => settled < (costs.get(runIds.get(runId) ?? '') ?? 0n));
  t.same(short, [], 'of no single run either');
  const pieceCost = 512n * 600n;
  t.ok(
    overruns.every(({ settled, reserved }) => settled - reserved <= pieceCost),
    'and no stream passes what it reserved by more than the piece on which it was cut',
  );
  await until(async () => {
    const [reading] = await readCounters(redis, 'acme', [
      { key: 'c:streams:*', window: { align: 'rolling', windowMs: 86_400_000 } },
    ]);
    return reading?.reserved === 0n && reading.used === used.settled;
  }, 'nothing to be reserved any more, and the counter to say what is on record');
});

import { deepStrictEqual } from 'node:assert';
import fc from 'fast-check';
import { applyCall, type LimitsState, nothingReserved, read } from '../../policy/limits/specification.ts';
import { connectRedis, type Redis } from './connection.ts';
import { limitKeys, tenantPrefix, windowTag } from './keys.ts';
import { decodeReadings, decodeReplies, encodeCall, readNumbers } from './limits-call.ts';
import { createScript, limitsSource, readCountersSource, type Script } from './script.ts';
import { type History, histories } from './test-histories.ts';
import { startRedisServer } from './test-server.ts';

const clockKey = 'proof:clock';
/** Stands in for Redis time: `now` is what the proof has set. */
const proofClock = `local now = tonumber(redis.call('GET', '${clockKey}'))`;
const epoch = 'proof';

interface Bench {
  redis: Redis;
  limits: Script;
  reader: Script;
}

/**
 * Proves that the Redis script and the specification agree in every reply and every reading over `rounds` random
 * histories on a real redis-server, with the clock set by the history.
 *
 * Deterministic by `seed`. Rejects at the first difference with the smallest history found that shows it, its seed and
 * its path. Answers how many calls and readings were compared.
 */
export async function runLimitsProof(options: {
  seed: number;
  rounds: number;
}): Promise<{ histories: number; calls: number; readings: number }> {
  const server = await startRedisServer();
  const redis = connectRedis(server.url);
  try {
    await new Promise<void>((resolve) => redis.once('ready', () => resolve()));
    const limits = createScript(redis, limitsSource(proofClock));
    const reader = createScript(redis, readCountersSource(proofClock));
    await Promise.all([limits.load(), reader.load()]);
    const counts = { histories: 0, calls: 0, readings: 0 };
    const property = fc.asyncProperty(histories, async (history) => {
      const tenant = `tenant-${counts.histories}`;
      counts.histories += 1;
      counts.calls += history.steps.length;
      counts.readings += await compareHistory({ redis, limits, reader }, tenant, history);
      if (counts.histories % 50 === 0) await redis.flushall();
    });
    await fc.assert(property, { seed: options.seed, numRuns: options.rounds });
    return counts;
  } finally {
    redis.disconnect();
    await server.stop();
  }
}

/** Runs one history on both sides; answers how many readings agreed. Throws at the first difference. */
async function compareHistory(bench: Bench, tenant: string, history: History): Promise<number> {
  const keys = limitKeys(tenant);
  await bench.redis.set(keys[0], epoch);
  let state: LimitsState = nothingReserved;
  let nowMs = history.startMs;
  let compared = 0;
  const { counters } = history;
  const readArgs = counters.flatMap(({ key, window }) => [key, windowTag(window)]);
  for (const [number, step] of history.steps.entries()) {
    nowMs += step.advanceMs;
    const settles = step.settles.map((one) => ({ ...one, tenant }));
    const reserves = step.reserves.map((one) => ({ ...one, tenant }));
    const [, answer, found] = await Promise.all([
      bench.redis.set(clockKey, nowMs),
      bench.limits.run(keys, encodeCall({ epoch, sweep: step.sweep, settles, reserves })),
      bench.reader.run(keys, readArgs),
    ]);
    const expected = applyCall(state, { ...step, nowMs });
    state = expected.state;
    deepStrictEqual(decodeReplies(answer, reserves), expected.replies, `replies of step ${number} differ`);
    const readings = decodeReadings(readNumbers(found), 0, counters.length);
    deepStrictEqual(
      readings,
      counters.map((counter) => read(state, counter, nowMs)),
      `readings after step ${number} differ`,
    );
    compared += readings.length + reserves.reduce((sum, { items }) => sum + items.length, 0);
  }
  await compareRuns(bench.redis, tenant, state);
  return compared;
}

/** What is still held must agree too: the runs, and when each is due. */
async function compareRuns(redis: Redis, tenant: string, state: LimitsState): Promise<void> {
  const [, runs, due] = limitKeys(tenant);
  const scores = await redis.zrangebyscore(due, '-inf', '+inf', 'WITHSCORES');
  const found = new Map<string, number>();
  for (let at = 0; at < scores.length; at += 2) found.set(String(scores[at]), Number(scores[at + 1]));
  const expected = new Map([...state.runs].map(([runId, { dueMs }]) => [runId, dueMs]));
  deepStrictEqual(sorted(found), sorted(expected), 'due times differ');
  deepStrictEqual(
    (await redis.hkeys(runs)).sort(),
    [...expected.keys()].sort(),
    `runs of ${tenantPrefix(tenant)} differ`,
  );
}

function sorted(map: Map<string, number>): [string, number][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

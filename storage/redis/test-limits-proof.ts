import { deepStrictEqual } from 'node:assert';
import fc from 'fast-check';
import { applyCall, expire, type LimitsState, nothingReserved, read } from '../../policy/limits/specification.ts';
import { restore } from '../../policy/limits/specification-restore.ts';
import { describe } from '../../policy/limits/test-describe.ts';
import type { Reading } from '../schema/reservation.ts';
import { connectRedis, type Redis } from './connection.ts';
import { readCounterState } from './counter-state.ts';
import { limitKeys, tenantPrefix, windowTag } from './keys.ts';
import { decodeAnswer, decodeReadings, encodeCall, type LimitsAnswer, readNumbers } from './limits-call.ts';
import { restoreCounters } from './restore.ts';
import { createScript, limitsSource, readCountersSource, restoreSources, type Script } from './script.ts';
import { type History, histories, type Step } from './test-histories.ts';
import { startRedisServer } from './test-server.ts';

const clockKey = 'proof:clock';
/** Stands in for Redis time: `now` is what the proof has set. */
const proofClock = `local now = tonumber(redis.call('GET', '${clockKey}'))`;
const proofSources = restoreSources(proofClock);

interface Bench {
  redis: Redis;
  limits: Script;
  reader: Script;
}

/**
 * Proves that the Redis script and the specification agree in every reply and every reading over `rounds` random
 * histories on a real redis-server, with the clock set by the history. In some of their steps all is lost and restored
 * from what control would know; that must show in no reply and no reading after it, as long as the clock does not go back.
 *
 * Deterministic by `seed`. Rejects at the first difference with the smallest history found that shows it, its seed and
 * its path. Answers how many calls, restorations and readings
 * were compared.
 */
export async function runLimitsProof(options: {
  seed: number;
  rounds: number;
}): Promise<{ histories: number; calls: number; restorations: number; readings: number }> {
  const server = await startRedisServer();
  const redis = connectRedis(server.url);
  try {
    await new Promise<void>((resolve) => redis.once('ready', () => resolve()));
    const limits = createScript(redis, limitsSource(proofClock));
    const reader = createScript(redis, readCountersSource(proofClock));
    await Promise.all([limits.load(), reader.load()]);
    const counts = { histories: 0, calls: 0, restorations: 0, readings: 0 };
    const property = fc.asyncProperty(histories, async (history) => {
      const tenant = `tenant-${counts.histories}`;
      counts.histories += 1;
      counts.calls += history.steps.length;
      counts.restorations += history.steps.filter(({ restores }) => restores).length;
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
  const { counters } = history;
  let epoch = 'epoch-0';
  await bench.redis.set(limitKeys(tenant)[0], epoch);
  let state: LimitsState = nothingReserved;
  /** What would stand had nothing been lost; it can be told as long as the clock does not go back. */
  let unharmed: LimitsState | null = null;
  let nowMs = history.startMs;
  let latestMs = nowMs;
  let compared = 0;
  for (const [number, step] of history.steps.entries()) {
    nowMs += step.advanceMs;
    if (nowMs < latestMs) unharmed = null;
    latestMs = Math.max(latestMs, nowMs);
    if (step.restores) {
      nowMs = latestMs;
      unharmed = expire(state, Number.POSITIVE_INFINITY, nowMs);
      epoch = `epoch-${number + 1}`;
      state = await compareRestored(bench, { tenant, epoch, nowMs, before: unharmed });
    }
    const call = { ...step, nowMs };
    const expected = applyCall(state, call);
    state = expected.state;
    const found = await runStep(bench, { tenant, epoch, call, counters });
    deepStrictEqual(
      found.answer,
      { tick: expected.tick, replies: expected.replies },
      `replies of step ${number} differ`,
    );
    const readings = counters.map((counter) => read(state, counter, nowMs));
    deepStrictEqual(found.readings, readings, `readings after step ${number} differ`);
    if (unharmed !== null) {
      const other = applyCall(unharmed, call);
      unharmed = other.state;
      deepStrictEqual(expected.replies, other.replies, `the loss shows in the replies of step ${number}`);
      const untouched = counters.map((counter) => read(other.state, counter, nowMs));
      deepStrictEqual(readings, untouched, `the loss shows in the readings after step ${number}`);
    }
    compared += readings.length + step.reserves.reduce((sum, { items }) => sum + items.length, 0);
  }
  await compareRuns(bench.redis, tenant, state);
  return compared;
}

/** One call of the script and then one of the reader, with the clock set. */
async function runStep(
  bench: Bench,
  input: { tenant: string; epoch: string; call: Step & { nowMs: number }; counters: History['counters'] },
): Promise<{ answer: LimitsAnswer; readings: Reading[] }> {
  const { tenant, epoch, call, counters } = input;
  const keys = limitKeys(tenant);
  const settles = call.settles.map((one) => ({ ...one, tenant }));
  const reserves = call.reserves.map((one) => ({ ...one, tenant }));
  const [, answer, found] = await Promise.all([
    bench.redis.set(clockKey, call.nowMs),
    bench.limits.run(keys, encodeCall({ ...call, epoch, settles, reserves })),
    bench.reader.run(
      keys,
      counters.flatMap(({ key, window }) => [key, windowTag(window)]),
    ),
  ]);
  return {
    answer: decodeAnswer(answer, reserves),
    readings: decodeReadings(readNumbers(found), 0, counters.length),
  };
}

/**
 * Restores the tenant from what the specification knows, over what stands there, twice at once; answers the state that
 * it must stand in.
 */
async function compareRestored(
  bench: Bench,
  loss: { tenant: string; epoch: string; nowMs: number; before: LimitsState },
): Promise<LimitsState> {
  const { tenant, epoch, nowMs, before } = loss;
  const { redis } = bench;
  const rebuilt = describe(before, nowMs);
  const state = restore(rebuilt, nowMs);
  await redis.set(clockKey, nowMs);
  const once = () => restoreCounters(redis, { tenant, epoch, ...rebuilt }, proofSources);
  const done = await Promise.allSettled([once(), once()]);
  if (!done.some(({ status }) => status === 'fulfilled')) throw new Error('neither of two restored the counters');
  await once();
  await compareRuns(redis, tenant, state);
  return state;
}

/** What is still held must agree too: the runs, when each is due, and how many have expired. */
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
  deepStrictEqual((await readCounterState(redis, tenant)).expired, state.expiries, 'expired runs differ');
}

function sorted(map: Map<string, number>): [string, number][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

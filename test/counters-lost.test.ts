import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { connectRedis, waitForRedis } from '../storage/redis/connection.ts';
import type { Redis } from '../storage/redis/index.ts';
import { type RedisServer, startRedisServer } from '../storage/redis/test-server.ts';
import { makeCall, type Sighting } from './faults/callers.ts';
import { readCharges, sumCharges } from './faults/charges.ts';
import { checkAll } from './faults/kill-rounds.ts';
import { readLedger } from './faults/ledger.ts';
import { type Stage, startStage } from './faults/stage.ts';
import { until } from './installation.ts';

t.setTimeout(230_000);

const ceilingNanoUsd = 4_000_000n;
const callers = 20;
/** Longest time in which a loss must be noticed, repaired, and the rest of the budget spent. */
const patienceMs = 60_000;
const names = ['flushed', 'stale', 'evicted'] as const;

let stage: Stage;
t.before(async () => {
  const limits = names.map(
    (name) =>
      `      - { id: ${name}, kind: money, ceilingUsd: "0.004", window: 1d, align: rolling, match: { key: ${name} } }`,
  );
  stage = await startStage({
    proxies: 2,
    redis: true,
    redisArgs: ['--appendonly', 'no'],
    keys: names,
    tenant: `
    limits:
${limits.join('\n')}`,
  });
  t.teardown(() => stage.stop());
});

interface Spending {
  sightings: Sighting[];
  spent(): Promise<bigint>;
  /** Resolves when every caller was told twice in a row that the limit is reached, or when patience ends. */
  done: Promise<void>;
}

/** Callers that spend a budget to its end, whatever happens to the counters meanwhile. */
function spend(name: string): Spending {
  const sightings: Sighting[] = [];
  const endMs = Date.now() + patienceMs;
  const loop = async (nth: number): Promise<void> => {
    for (let call = 0, refusals = 0; refusals < 2 && Date.now() < endMs; call += 1) {
      const proxy = stage.hoc.proxies[(nth + call) % stage.hoc.proxies.length] ?? '';
      const shape = { stream: false, fault: null, maxTokens: 20, leavesAfterMs: null, prompt: 'Tell me a story.' };
      const key = stage.keys[name] ?? '';
      const sighting = await makeCall({ proxy, key, call: `${name}-${nth}-${call}`, shape });
      sightings.push(sighting);
      refusals = sighting.code === 'limit_exceeded' ? refusals + 1 : 0;
      await delay(refusals > 0 ? 500 : sighting.end === 'refused' ? 100 : 20);
    }
  };
  const spent = async () =>
    (await readLedger(stage.simulator))
      .filter((charge) => charge.run_id?.startsWith(`${name}-`))
      .reduce((sum, charge) => sum + BigInt(charge.cost_nano_usd), 0n);
  const done = Promise.all(Array.from({ length: callers }, (_, nth) => loop(nth))).then(() => undefined);
  return { sightings, spent, done };
}

/** Lets `lose` happen to Redis when two fifths of a budget are spent, and shows that its end is where it was. */
async function proveNotReset(t: Test, name: string, lose: () => Promise<void>): Promise<void> {
  const spending = spend(name);
  await until(async () => (await spending.spent()) > (ceilingNanoUsd * 2n) / 5n, 'two fifths to be spent');
  const lostAtMs = Date.now();
  await lose();
  await spending.done;
  const spent = await spending.spent();
  const back = spending.sightings.find((sighting) => sighting.end === 'whole' && sighting.startedAtMs > lostAtMs + 300);
  const refused = spending.sightings.filter((sighting) => sighting.code === 'engine_down').length;
  t.comment(
    `spent ${spent} of ${ceilingNanoUsd}; ${refused} refused meanwhile; first run again after ${(back?.startedAtMs ?? Number.NaN) - lostAtMs} ms`,
  );
  t.ok(spent <= ceilingNanoUsd, `${spent} spent`);
  const check = await checkAll(stage, spending.sightings);
  t.same(check.violations, []);
  const used = sumCharges(await readCharges(stage.hoc, name));
  t.equal(used.settled, spent, 'every run is on record with what it took');
  t.ok(refused > 0, 'runs were refused while the counters could not be trusted');
  t.ok(
    spending.sightings.some((sighting) => sighting.code === 'limit_exceeded'),
    'the limit is in force again and reached',
  );
  t.ok(spent > (ceilingNanoUsd * 9n) / 10n, 'and what was left could be spent');
}

async function withRedis<T>(url: string, act: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = connectRedis(url);
  try {
    await waitForRedis(redis, 10_000);
    return await act(redis);
  } finally {
    redis.disconnect();
  }
}

const own = () => stage.redis?.engine.url ?? '';

t.test(
  'FLUSHALL under load resets no limit: runs are refused until its counters are rebuilt from records',
  async (t) => {
    await proveNotReset(t, 'flushed', async () => {
      await withRedis(own(), (redis) => redis.flushall());
    });
  },
);

t.test('eviction under load resets no limit', async (t) => {
  await proveNotReset(t, 'evicted', async () => {
    await withRedis(own(), async (redis) => {
      await redis.config('SET', 'maxmemory-policy', 'allkeys-random');
      await redis.config('SET', 'maxmemory', '1');
      await delay(500);
      await redis.config('SET', 'maxmemory', '0');
      await redis.config('SET', 'maxmemory-policy', 'noeviction');
    });
  });
});

t.test('a failover to a replica that lacks the last writes resets no limit', async (t) => {
  const replica: RedisServer = await startRedisServer(['--replicaof', '127.0.0.1', new URL(own()).port]);
  t.teardown(() => replica.stop());
  await withRedis(replica.url, (redis) =>
    until(async () => (await redis.info('replication')).includes('master_link_status:up'), 'the replica to follow'),
  );
  await proveNotReset(t, 'stale', async () => {
    await withRedis(replica.url, (redis) => redis.replicaof('NO', 'ONE'));
    await delay(700);
    stage.redis?.link.retarget(replica.url);
    stage.redis?.link.reset();
  });
});

import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { connectRedis, waitForRedis } from '../storage/redis/connection.ts';
import { type Redis, readCounters, readEpoch } from '../storage/redis/index.ts';
import type { CounterWindow } from '../storage/schema/reservation.ts';
import { readCharges } from './faults/charges.ts';
import { findTarget } from './faults/targets.ts';
import {
  type ExportedRun,
  type Installation,
  removeData,
  startInstallation,
  startProcess,
  until,
} from './installation.ts';

t.setTimeout(300_000);

const secrets = { HOC_KEY_APP: randomBytes(24).toString('hex'), HOC_KEY_SPENT: randomBytes(24).toString('hex') };
const actors = ['user-a', 'user-b', 'service:batch'];
const day: CounterWindow = { align: 'calendar', unitMs: 86_400_000 };
const hour: CounterWindow = { align: 'rolling', windowMs: 3_600_000 };
const none: CounterWindow = { align: 'none' };
/** From the loss to the first run again takes about three seconds on an idle machine, and ten where control is killed. */
const patienceMs = 60_000;

let hoc: Installation;
let redis: Redis;
let spentKey: string;
/** Every run that was let through. */
const passed = new Set<string>();

t.before(async () => {
  const simulator = await startProcess('proxy/simulator/main.js', 'runSimulator', {
    HOC_SIMULATOR_LISTEN: '127.0.0.1:0',
    HOC_SIMULATOR_SPEED: 'instant',
  });
  hoc = await startInstallation({
    env: secrets,
    proxies: 2,
    yaml: `
tenants:
  - slug: acme
    providers:
      - { slug: openai, baseUrl: "${simulator.listen.simulator}", allowPrivate: true, priceAs: simulator, askUsage: auto }
    keys:
      - { name: app, secretEnv: HOC_KEY_APP }
      - { name: spent, secretEnv: HOC_KEY_SPENT }
    limits:
      - { id: budget, kind: money, ceilingUsd: "100", window: 1d, align: calendar, by: [actor], match: { key: app } }
      - { id: spend, kind: money, ceilingUsd: "0.001", window: 1d, align: calendar, by: [key], match: { key: spent } }
      - { id: tokens, kind: tokens, ceiling: 100000000, window: 1h, align: rolling, by: [actor] }
      - { id: slots, kind: concurrency, ceiling: 100, match: { key: app } }
`,
  });
  redis = connectRedis(hoc.engines.REDIS_URL);
  await waitForRedis(redis, 10_000);
  t.teardown(async () => {
    redis.disconnect();
    await hoc.stop();
    await simulator.stop();
    removeData(hoc.data);
  });
  const keys = JSON.parse((await hoc.hoc('keys', 'list', '--json')).stdout) as { id: string; name: string }[];
  spentKey = keys.find((key) => key.name === 'spent')?.id ?? '';
});

interface Call {
  actor: string;
  key?: string;
  proxy?: number;
  stream?: boolean;
  fault?: string;
}

async function call({ actor, key, proxy, stream, fault }: Call): Promise<Response> {
  const answer = await fetch(`${hoc.proxies[proxy ?? 0]}/openai/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key ?? secrets.HOC_KEY_APP}`,
      'content-type': 'application/json',
      'x-hoc-actor': actor,
      ...(fault === undefined ? {} : { 'x-simulator-fault': fault }),
    },
    body: JSON.stringify({
      model: 'sim-small',
      max_tokens: 400,
      messages: [{ role: 'user', content: `Tell ${actor} a story.` }],
      ...(stream === true ? { stream: true } : {}),
    }),
  });
  if (answer.status === 200) passed.add(answer.headers.get('x-hoc-run-id') ?? '');
  return answer;
}

/** What the counters stand at. */
async function readAll(): Promise<Record<string, string>> {
  const items = [
    ...actors.map((actor) => ({ key: `c:budget:${actor}`, window: day })),
    ...[...actors, 'poor'].map((actor) => ({ key: `c:tokens:${actor}`, window: hour })),
    { key: `c:spend:${spentKey}`, window: day },
    { key: 'c:slots:*', window: none },
  ];
  const readings = await readCounters(redis, 'acme', items);
  return Object.fromEntries(items.map(({ key }, at) => [key, `${readings[at]?.used}+${readings[at]?.reserved}`]));
}

/** What they should stand at: what the runs on record were charged. */
async function readRecorded(): Promise<Record<string, string>> {
  const isEnded = (runs: ExportedRun[]) => {
    const ended = new Set(runs.filter((run) => run.status !== 'running').map((run) => run.run_id));
    return [...passed].every((id) => ended.has(id));
  };
  const actorOf = new Map(
    (await hoc.exportRuns(isEnded)).map((run) => [
      run.run_id,
      run.actor_type === 'service' ? `service:${run.actor_id}` : run.actor_id,
    ]),
  );
  const sums = new Map<string, bigint>();
  for (const limit of ['budget', 'spend', 'tokens']) {
    for (const { runId, settled } of await readCharges(hoc, limit)) {
      const key = `c:${limit}:${limit === 'spend' ? spentKey : actorOf.get(runId)}`;
      sums.set(key, (sums.get(key) ?? 0n) + settled);
    }
  }
  return Object.fromEntries([...sums].map(([key, amount]) => [key, `${amount}+0`]));
}

/** Waits until nothing is reserved any more: what is settled late is settled then. */
async function quiet(): Promise<Record<string, string>> {
  let last: Record<string, string> = {};
  await until(async () => {
    last = await readAll();
    return Object.values(last).every((reading) => reading.endsWith('+0'));
  }, 'every run to be settled');
  return last;
}

async function spend(t: Test): Promise<void> {
  const calls = actors.flatMap((actor) => [0, 1, 0, 1].map((proxy) => call({ actor, proxy, stream: proxy === 1 })));
  for (const answer of await Promise.all(calls)) {
    t.equal(answer.status, 200);
    await answer.text();
  }
}

/** Empties Redis and calls until runs pass again. Nothing that has nothing left may pass meanwhile. */
async function loseAndCall(t: Test, during: () => Promise<void>): Promise<number> {
  const before = await readEpoch(redis, 'acme');
  const startedMs = Date.now();
  await redis.flushall();
  const seen = new Map<string, number>();
  const note = (name: string): void => void seen.set(name, (seen.get(name) ?? 0) + 1);
  let disturbed: Promise<void> | null = null;
  let tookMs = 0;
  while (tookMs === 0 && Date.now() - startedMs < patienceMs) {
    disturbed ??= during();
    const [free, poor] = await Promise.all([
      call({ actor: 'user-b' }),
      call({ actor: 'poor', key: secrets.HOC_KEY_SPENT, proxy: 1 }),
    ]);
    note(`free ${free.status}`);
    note(`poor ${poor.status}`);
    await Promise.all([free.text(), poor.text()]);
    if (free.status === 200) tookMs = Date.now() - startedMs;
    await delay(20);
  }
  await disturbed;
  if (tookMs === 0) t.comment((await hoc.hoc('doctor')).stdout);
  t.ok(tookMs > 0, 'runs pass again');
  t.equal(seen.get('poor 200') ?? 0, 0, 'a budget that is spent lets nothing pass');
  t.ok((seen.get('free 503') ?? 0) > 0, 'limits refuse while their counters are rebuilt');
  t.not(await readEpoch(redis, 'acme'), before);
  t.comment(`${tookMs} ms from the loss to the first run again; answers meanwhile: ${JSON.stringify([...seen])}`);
  return tookMs;
}

/** Spends a budget until nothing fits, also where nothing is reserved. */
async function exhaust(): Promise<void> {
  for (;;) {
    await quiet();
    const answer = await call({ actor: 'poor', key: secrets.HOC_KEY_SPENT });
    await answer.text();
    if (answer.status === 429) return;
    if (answer.status !== 200) throw new Error(`status ${answer.status}`);
  }
}

t.test(
  'counters that Redis lost come back to exactly the recorded use, and nothing spent passes meanwhile',
  async (t) => {
    await spend(t);
    await exhaust();
    const before = await quiet();
    await readRecorded();
    await loseAndCall(t, async () => undefined);
    const after = await quiet();
    const recorded = await readRecorded();
    for (const key of Object.keys(before).filter((name) => name !== 'c:slots:*')) {
      t.equal(after[key], recorded[key], `${key}: the recorded use`);
      if (!key.endsWith('user-b')) t.equal(after[key], before[key], `${key}: as before the loss`);
    }
    const refused = await call({ actor: 'poor', key: secrets.HOC_KEY_SPENT });
    t.equal(refused.status, 429);
    const metrics = await hoc.metrics();
    t.match(metrics, /hoc_counter_rebuilds_total\{[^}]*result="done"[^}]*\} 1/);
    t.match(metrics, /hoc_counters_valid\{[^}]*tenant="acme"[^}]*\} 1/);
  },
);

t.test('open streams survive a loss, hold their place in the counters again, and settle once', async (t) => {
  const slow = { stream: true, fault: 'tokens:300,rate:25' };
  const streams = await Promise.all(actors.map((actor, at) => call({ actor, proxy: at % 2, ...slow })));
  const texts = streams.map((answer) => answer.text());
  await until(async () => (await readAll())['c:slots:*'] === '0+3', 'the streams to hold their slots');
  await loseAndCall(t, async () => undefined);
  t.match((await readAll())['c:slots:*'], /^0\+[34]$/, 'they hold them again');
  for (const text of await Promise.all(texts)) t.match(text, /data: \[DONE\]/, 'a stream ends as it would have');
  const after = await quiet();
  const recorded = await readRecorded();
  for (const actor of actors) {
    t.equal(after[`c:tokens:${actor}`], recorded[`c:tokens:${actor}`], `tokens of ${actor}`);
    t.equal(after[`c:budget:${actor}`], recorded[`c:budget:${actor}`], `cost of ${actor}`);
  }
});

t.test('control killed in the middle goes on where it was', async (t) => {
  const killed: number[] = [];
  await loseAndCall(t, async () => {
    for (const afterMs of [700, 900]) {
      await delay(afterMs);
      const { pid } = findTarget(hoc.data, 'control');
      process.kill(pid, 'SIGKILL');
      killed.push(pid);
      await until(() => {
        try {
          return findTarget(hoc.data, 'control').pid !== pid;
        } catch {
          return false;
        }
      }, 'control to be started again');
    }
  });
  t.equal(killed.length, 2);
  const after = await quiet();
  const recorded = await readRecorded();
  for (const actor of [...actors, 'poor']) {
    t.equal(after[`c:tokens:${actor}`], recorded[`c:tokens:${actor}`], `tokens of ${actor}`);
  }
});

t.test('a proxy whose shipper cannot answer is named, and an operator can go on without it, on record', async (t) => {
  const { pid } = findTarget(hoc.data, 'shipper-2');
  process.kill(pid, 'SIGSTOP');
  try {
    await redis.flushall();
    const examine = async () => (await hoc.hoc('doctor')).stdout;
    let seen = '';
    await until(async () => {
      seen = await examine();
      return /counters: .*acme.*proxy-2: /.test(seen);
    }, 'the doctor to name the proxy').catch((error: unknown) => {
      t.comment(seen);
      throw error;
    });
    const refused = await call({ actor: 'user-a' });
    t.equal(refused.status, 503);
    const accepted = await hoc.hoc('limits', 'accept-gap', '--proxy', 'proxy-2');
    t.equal(accepted.code, 0, accepted.stderr);
    t.match(accepted.stdout, /without the records of proxy-2, for: acme/);
    await until(async () => (await call({ actor: 'user-a' })).status === 200, 'runs to pass again', patienceMs);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
});

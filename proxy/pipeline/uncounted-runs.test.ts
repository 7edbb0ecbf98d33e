import t from 'tap';
import { connectRedis, createReservations, readCounters, writeEpochIfAbsent } from '../../storage/redis/index.ts';
import { startRedisServer } from '../../storage/redis/test-server.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type { ReserveReply } from '../../storage/schema/reservation.ts';
import { createOpenReservations } from './open-reservations.ts';
import { countRuns } from './uncounted-runs.ts';

const window = { align: 'calendar', unitMs: 86_400_000 } as const;
const slots = { align: 'none' } as const;
const startMs = Date.now();
const server = await startRedisServer();
const redis = connectRedis(server.url);
const epochs = new Map<string, string>();
const driver = createReservations(redis, {
  callerId: 'test',
  epochOf: (tenant) => epochs.get(tenant) ?? null,
  timeoutMs: 2_000,
});
await driver.ready();
t.teardown(async () => {
  await driver.close();
  redis.disconnect();
  await server.stop();
});

function build(tenant: string) {
  let isAway = false;
  let isDeaf = false;
  const settled: string[] = [];
  const counted: string[] = [];
  const noted: string[] = [];
  const reserve = async (request: Parameters<typeof driver.reserve>[0]): Promise<ReserveReply> =>
    isAway ? { kind: 'down', reason: 'circuit_open' } : driver.reserve(request);
  const waiting: Promise<void>[] = [];
  const failures: string[] = [];
  const settle = async (requests: Parameters<typeof driver.settle>[0]): Promise<void> => {
    if (isDeaf) throw new Error('not acknowledged');
    settled.push(...requests.map(({ runId }) => runId));
    await driver.settle(requests);
  };
  const countOnce = async (requests: Parameters<typeof driver.countOnce>[0]): Promise<void> => {
    if (isAway) throw new HocError({ code: 'engine_unavailable', publicMessage: 'away' });
    await driver.countOnce(requests);
    if (isDeaf) throw new HocError({ code: 'engine_unavailable', publicMessage: 'not acknowledged' });
    counted.push(...requests.map(({ runId }) => runId));
  };
  const runs = countRuns({
    open: createOpenReservations(),
    reservations: { reserve, settle, countOnce },
    settle: (_tenant, runId, items) => void waiting.push(settle([{ tenant, runId, items }])),
    noteSettled: (_tenant, runIds) => void noted.push(...runIds),
    onFailure: (what) => void failures.push(what),
  });
  const items = [
    { limitId: 'b', key: 'c:b:*', amount: 60n, ceiling: 100n, near: 100n, window },
    { limitId: 's', key: 'c:s:*', amount: 1n, ceiling: 1n, near: 1n, window: slots },
  ];
  const request = (runId: string) => ({ tenant, runId, expiresInMs: 60_000, items });
  /** What a stage does: asks, and where nobody answers goes on and says so. */
  const admit = async (runId: string): Promise<ReserveReply> => {
    const reply = await runs.reserve(request(runId));
    if (reply.kind !== 'refused') runs.open.put(tenant, { runId, atMs: startMs, expiresInMs: 60_000, items });
    return reply;
  };
  const end = (runId: string, amount: bigint): void => {
    runs.open.drop(runId);
    runs.settle(tenant, runId, [{ key: 'c:b:*', amount }]);
  };
  const used = async (): Promise<[bigint, bigint]> => {
    await Promise.all(waiting);
    const [reading] = await readCounters(redis, tenant, [{ key: 'c:b:*', window }]);
    return [reading?.used ?? -1n, reading?.reserved ?? -1n];
  };
  const away = (on: boolean): void => {
    isAway = on;
  };
  /** Settlements are not acknowledged. */
  const deaf = (on: boolean): void => {
    isDeaf = on;
  };
  return { runs, admit, end, used, away, deaf, settled, counted, noted, failures };
}

async function valid(tenant: string): Promise<void> {
  epochs.set(tenant, 'e1');
  await writeEpochIfAbsent(redis, tenant, 'e1');
}

t.test('a run that was granted is settled as it ends, and nothing is entered twice', async (t) => {
  await valid('granted');
  const { runs, admit, end, used, settled } = build('granted');
  t.match(await admit('r1'), { kind: 'granted' });
  end('r1', 25n);
  await runs.pay();
  t.same(settled, ['r1']);
  t.same(await used(), [25n, 0n]);
});

t.test(
  'runs that were let through while Redis was away are entered when it is back, above any ceiling, once',
  async (t) => {
    await valid('owed');
    const { runs, admit, end, used, away, counted } = build('owed');
    away(true);
    for (const runId of ['r1', 'r2', 'r3']) t.match(await admit(runId), { kind: 'down' });
    end('r1', 50n);
    end('r2', 55n);
    await runs.pay();
    t.same(counted, []);
    away(false);
    await runs.pay();
    t.same(await used(), [105n, 0n]);
    end('r3', 10n);
    await Promise.all([runs.pay(), runs.pay()]);
    await runs.pay();
    t.same(await used(), [115n, 0n]);
    t.same(counted, ['r1', 'r2', 'r3']);
    t.match(await admit('r4'), { kind: 'refused' }, 'and they count');
  },
);

t.test('at a mark what is open is told and counts as known, and what has ended is owed no more', async (t) => {
  await valid('marked');
  const { runs, admit, end, used, away, settled } = build('marked');
  away(true);
  await admit('ended');
  await admit('open');
  end('ended', 40n);
  t.same(runs.take('marked'), [
    {
      ...{ runId: 'open', atMs: startMs, expiresInMs: 60_000 },
      items: [
        { key: 'c:b:*', window, amount: 60n },
        { key: 'c:s:*', window: slots, amount: 1n },
      ],
    },
  ]);
  t.same(runs.take('nobody'), []);
  away(false);
  await runs.pay();
  t.same(await used(), [0n, 0n], 'it stands in the records that control sums');
  end('open', 40n);
  t.same(settled, ['open'], 'and what was told is settled at once, like any other run');
  await runs.pay();
  t.same(await used(), [0n, 0n]);
});

t.test('a run is counted until that is acknowledged, and once, whoever else counts or settles it', async (t) => {
  await valid('deaf');
  const { runs, admit, end, used, away, deaf, counted, failures } = build('deaf');
  away(true);
  await admit('r1');
  end('r1', 25n);
  // A settlement of a run that Redis does not know is no witness that it was counted.
  await driver.settle([{ tenant: 'deaf', runId: 'r1', items: [{ key: 'c:b:*', amount: 25n }] }]);
  away(false);
  deaf(true);
  await runs.pay();
  t.same(await used(), [25n, 0n]);
  t.same(counted, []);
  const items = [{ key: 'c:b:*', window, amount: 60n }];
  await driver.countOnce([{ tenant: 'deaf', runId: 'r1', atMs: startMs, items }]);
  deaf(false);
  await runs.pay();
  await runs.pay();
  t.same(await used(), [25n, 0n]);
  t.same(counted, ['r1']);
  t.same(failures, [], 'a Redis that stays away is no news at each try');
});

t.test('that a run was counted goes on record once it is acknowledged, and not before', async (t) => {
  await valid('noted');
  const { runs, admit, end, away, deaf, noted } = build('noted');
  away(true);
  await admit('r1');
  end('r1', 25n);
  await runs.pay();
  away(false);
  deaf(true);
  await runs.pay();
  t.same(noted, [], 'until then the shipper may have to count it');
  deaf(false);
  await runs.pay();
  await runs.pay();
  t.same(noted, ['r1']);
});

t.test('a run that ends while a top-up is under way is entered all the same', async (t) => {
  await valid('late');
  const { runs, admit, used, away } = build('late');
  away(true);
  await admit('r1');
  // An ended run is dropped at once, and settled once its last top-up is answered.
  runs.open.drop('r1');
  await new Promise((resolve) => setImmediate(resolve));
  runs.settle('late', 'r1', [{ key: 'c:b:*', amount: 25n }]);
  away(false);
  await runs.pay();
  t.same(await used(), [25n, 0n]);
});

t.test('runs whose counters stay away hold up no others', async (t) => {
  await valid('well');
  const { runs, admit, end, used, away } = build('well');
  away(true);
  const lost = { tenant: 'never', atMs: startMs, expiresInMs: 60_000, items: [] };
  for (let run = 0; run < 600; run += 1) {
    runs.open.put('never', { ...lost, runId: `n${run}`, items: [{ key: 'c:b:*', window, amount: 1n }] });
    runs.settle('never', `n${run}`, [{ key: 'c:b:*', amount: 1n }]);
  }
  await admit('r1');
  end('r1', 25n);
  away(false);
  await runs.pay();
  await runs.pay();
  t.same(await used(), [25n, 0n]);
});

t.test('calls under way are waited for, and what they grant is told', async (t) => {
  await valid('quiet');
  const { runs, admit } = build('quiet');
  const admitting = admit('r1');
  t.same(runs.take('quiet'), []);
  await runs.quiet('quiet');
  t.same(
    runs.take('quiet').map((run) => run.runId),
    ['r1'],
  );
  await admitting;
});

t.test('a run that ended without anything to settle leaves no trace', async (t) => {
  await valid('blocked');
  const { runs, admit, used, away } = build('blocked');
  away(true);
  await admit('r1');
  runs.open.drop('r1');
  runs.settle('blocked', 'r1', []);
  away(false);
  await runs.pay();
  t.same(await used(), [0n, 0n]);
});

import { mkdtempSync, readdirSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { type CallShape, makeCall, type Sighting } from './faults/callers.ts';
import { readCharges, sumCharges } from './faults/charges.ts';
import { listOpenReservations } from './faults/check-stores.ts';
import { canInjectFailures, injectDiskFailure, mountSmallDisk } from './faults/disk.ts';
import { checkAll } from './faults/kill-rounds.ts';
import { killTarget } from './faults/killer.ts';
import { type Stage, startStage } from './faults/stage.ts';
import { findTarget } from './faults/targets.ts';
import { type ExportedRun, until } from './installation.ts';

t.setTimeout(230_000);

let stage: Stage;
const data = realpathSync(mkdtempSync(join(tmpdir(), 'hoc-test-')));
const spool = mountSmallDisk(24 * 1024 * 1024, join(data, 'spool'));
/** What runs this file where it may do all it needs. */
const command = `${process.execPath} ${fileURLToPath(import.meta.url)}`;
const sightings: Sighting[] = [];
let made = 0;

t.before(async () => {
  stage = await startStage({
    redis: true,
    data,
    keys: ['strict', 'lax', 'rated', 'killed'],
    tenant: `
    limits:
      - { id: strict-budget, kind: money, ceilingUsd: "1", window: 1d, align: rolling, match: { key: strict } }
      - { id: lax-budget, kind: money, ceilingUsd: "1", window: 1d, align: rolling, match: { key: lax }, whenRedisIsDown: allow }
      - { id: rate, kind: requests, ceiling: 10, window: 1h, align: rolling, match: { key: rated }, whenRedisIsDown: local }
      - { id: killed-budget, kind: money, ceilingUsd: "1", window: 1d, align: rolling, match: { key: killed } }`,
  });
  t.teardown(async () => {
    await stage.hoc.stop();
    spool?.remove();
    await stage.stop();
  });
});

async function call(key: string, shape: Partial<CallShape> = {}): Promise<Sighting> {
  made += 1;
  const sighting = await makeCall({
    proxy: stage.hoc.proxy,
    key: stage.keys[key] ?? '',
    call: `${key}-${made}`,
    shape: { stream: false, fault: null, maxTokens: 50, leavesAfterMs: null, prompt: 'Tell me something.', ...shape },
  });
  sightings.push(sighting);
  return sighting;
}

/** The first call that Redis answers in time: a machine that is busy with many starts may miss the first. */
async function untilAnswered(key: string): Promise<Sighting> {
  let sighting = await call(key);
  await until(async () => {
    if (sighting.status !== 200) sighting = await call(key);
    return sighting.status === 200;
  }, 'a call to be answered');
  return sighting;
}

async function recorded({ runId }: Sighting): Promise<ExportedRun> {
  const find = (runs: ExportedRun[]) => runs.find((run) => run.run_id === runId && run.status !== 'running');
  const run = find(await stage.hoc.exportRuns((runs) => find(runs) !== undefined));
  if (run === undefined) throw new Error('no such run');
  return run;
}

const takenOf = async (limit: string, { runId }: Sighting) =>
  (await readCharges(stage.hoc, limit)).find((charge) => charge.runId === runId);

t.test(
  '5: with Redis frozen each limit keeps its mode, visible on the run, and nothing of it is forgotten',
  async (t) => {
    for (const key of ['strict', 'lax', 'rated']) t.equal((await untilAnswered(key)).status, 200, key);
    stage.redis?.engine.signal('SIGSTOP');
    const degraded: Sighting[] = [];
    try {
      const refused = await call('strict');
      t.match(refused, { status: 503, code: 'engine_down' });
      // Five failures in a row open the circuit: from then on the answer comes at once.
      for (let nth = 0; nth < 6; nth += 1) await call('strict');
      const before = performance.now();
      t.match(await call('strict'), { status: 503 });
      t.ok(performance.now() - before < 100, 'refused within 100 ms');
      for (let nth = 0; nth < 5; nth += 1) degraded.push(await call('lax'));
      t.ok(degraded.every(({ status }) => status === 200));
      const share: (number | null)[] = [];
      for (let nth = 0; nth < 12; nth += 1) share.push((await call('rated')).status);
      t.equal(share.filter((status) => status === 200).length, 9, "this proxy's share, less what was admitted before");
      t.ok(
        share.slice(9).every((status) => status === 429),
        `${share}`,
      );
    } finally {
      stage.redis?.engine.signal('SIGCONT');
    }
    const metrics = await stage.hoc.metrics();
    t.match(metrics, /hoc_run_marks_total\{[^}]*mark="redis_degraded"[^}]*\} [1-9]/);
    t.match(metrics, /hoc_run_marks_total\{[^}]*mark="local_share"[^}]*\} [1-9]/);
    for (const sighting of degraded) t.ok((await recorded(sighting)).marks.includes('redis_degraded'));
    await until(async () => (await call('strict')).status === 200, 'Redis to be asked again');
    const spent = sumCharges(await readCharges(stage.hoc, 'lax-budget')).settled;
    await until(async () => {
      const sighting = await call('lax');
      await recorded(sighting);
      const charge = await takenOf('lax-budget', sighting);
      return charge !== undefined && (charge.taken ?? 0n) - charge.reserved >= spent;
    }, 'what was let through to stand in the counter again');
  },
);

t.test('12: killed between reserve, dispatch and settle, a reservation ends exactly once', async (t) => {
  const shapes: Partial<CallShape>[] = [
    { fault: 'delay-head:1500' },
    { stream: true, fault: 'hang:1500' },
    { stream: true, fault: 'rate:40' },
  ];
  for (const shape of shapes) {
    const open = Array.from({ length: 10 }, () => call('killed', shape));
    await delay(400);
    await killTarget(stage.hoc.data, 'proxy');
    await Promise.all(open);
    await stage.hoc.ready(60_000);
  }
  await until(async () => (await call('killed')).status === 200, 'the proxy to take runs again');
  t.same((await checkAll(stage, sightings)).violations, []);
  const last = await call('killed');
  await recorded(last);
  const charges = await readCharges(stage.hoc, 'killed-budget');
  const own = charges.find(({ runId }) => runId === last.runId);
  const before = sumCharges(charges.filter(({ runId }) => runId !== last.runId));
  t.ok(charges.filter(({ status }) => status === 'abandoned').length >= 20, 'the kills hit open runs');
  const known = new Set(charges.map(({ runId }) => runId));
  // Killed between reserve and intent: a run that nobody knows of holds its reservation until that expires.
  const left = (await listOpenReservations(stage.hoc, 'acme')).filter((id) => !known.has(id));
  const held = BigInt(left.length) * (charges.find(({ status }) => status === 'abandoned')?.reserved ?? 0n);
  t.equal((own?.taken ?? 0n) - (own?.reserved ?? 0n), before.settled + held, 'the counter holds what the records say');
  t.ok(before.fullest <= 1_000_000_000n);
});

t.test('16: a full disk refuses new runs, ends open ones, and works again with nothing lost', async (t) => {
  if (spool === null) {
    t.fail(`a small tmpfs has to be mounted, which takes root: sudo ${command}`);
    return;
  }
  const open = Array.from({ length: 10 }, () => call('strict', { stream: true, fault: 'hang:1500' }));
  await delay(500);
  spool.fill();
  await until(async () => (await call('strict')).code === 'spool_full', 'runs to be refused');
  const ended = await Promise.all(open);
  t.ok(
    ended.every(({ end }) => end === 'whole' || end === 'broken'),
    'no call hangs',
  );
  spool.free();
  await until(async () => (await call('strict')).status === 200, 'runs to be taken again');
  t.same((await checkAll(stage, sightings)).violations, []);
});

t.test('16: an I/O error of the disk refuses runs, never loops or lies, and ends with it', async (t) => {
  if (!canInjectFailures()) {
    t.fail(`strace is missing: sudo apt-get install -y strace && sudo ${command}`);
    return;
  }
  const folder = join(stage.hoc.data, 'spool/proxy-1');
  const segments = readdirSync(folder).filter((name) => name.endsWith('.seg') || name.endsWith('.big'));
  const { pid } = findTarget(stage.hoc.data, 'proxy');
  const heal = await injectDiskFailure({ pid, paths: segments.map((name) => join(folder, name)), failure: 'EIO' });
  const during: Sighting[] = [];
  try {
    for (let nth = 0; nth < 10; nth += 1) during.push(await call('strict'));
  } finally {
    await heal();
  }
  t.ok(
    during.every(({ end, code }) => end === 'whole' || code === 'spool_full'),
    JSON.stringify(during.map(({ end, code }) => code ?? end)),
  );
  t.ok(
    during.some(({ code }) => code === 'spool_full'),
    'the error was met',
  );
  await until(async () => (await call('strict')).status === 200, 'runs to be taken again');
  t.equal(findTarget(stage.hoc.data, 'proxy').pid, pid, 'the proxy never ended');
  t.same((await checkAll(stage, sightings)).violations, []);
});

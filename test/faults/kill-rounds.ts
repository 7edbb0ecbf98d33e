import { setTimeout as delay } from 'node:timers/promises';
import { type Installation, type InstallationInput, startInstallation, until } from '../installation.ts';
import { type Callers, type CallShape, startCallers } from './callers.ts';
import { checkRecords, type RecordCheck } from './check-records.ts';
import { checkRollups } from './check-rollups.ts';
import { checkSealedRecords, listOpenReservations } from './check-stores.ts';
import { type Blow, freezeTarget, killTarget, planBlows } from './killer.ts';
import { readLedger } from './ledger.ts';
import type { Random } from './random.ts';

/** An installation that blows fall on; `hoc` is replaced when its supervisor was the victim. */
export interface Battered {
  hoc: Installation;
  input: InstallationInput;
  simulator: string;
  tenant: string;
  key: string;
}

/** A supervisor gives a child up after five crashes within a minute, so blows come no faster than this. */
const leastRoundMs = 3000;

export const everyProcess = [
  'proxy',
  'shipper',
  'control',
  'supervisor',
  'redis',
  'queue',
  'postgres',
  'clickhouse',
] as const;

/** Streams of one to three seconds, some whole answers, some callers that leave, some answers that hang in the middle. */
export function mixedShape(random: Random): CallShape {
  const kind = random.next();
  const base = { stream: true, fault: null, maxTokens: 120, leavesAfterMs: null, prompt: 'Tell me a story, please.' };
  if (kind < 0.55) return { ...base, fault: `hang:${random.between(500, 2500)}` };
  if (kind < 0.75) return { ...base, fault: `rate:${random.between(15, 60)}` };
  if (kind < 0.85) return { ...base, stream: false, fault: `delay-head:${random.between(100, 1500)}` };
  return { ...base, fault: `rate:${random.between(10, 30)}`, leavesAfterMs: random.between(0, 800) };
}

/**
 * Lets one blow after the other fall while 200 callers keep a call open each, and checks everything at the end and after
 * every `checkEvery` rounds. Returns the last check; its `violations` hold all that was found in any of them.
 */
export async function runKillRounds(
  battered: Battered,
  options: { random: Random; rounds: number; callers: number; checkEvery: number; note(text: string): void },
): Promise<RecordCheck> {
  const { random, rounds, note } = options;
  const blows = planBlows({ random, rounds, victims: everyProcess });
  const violations: string[] = [];
  let check: RecordCheck | null = null;
  const sightings = [];
  for (let from = 0; from < blows.length; from += options.checkEvery) {
    const callers = startCallers({
      proxies: battered.hoc.proxies,
      key: battered.key,
      callers: options.callers,
      random: { ...random, seed: random.seed * 1000 + from },
      shape: mixedShape,
    });
    try {
      for (const blow of blows.slice(from, from + options.checkEvery)) await strike(battered, blow, { callers, note });
    } finally {
      await callers.stop();
    }
    sightings.push(...callers.sightings);
    check = await checkAll(battered, sightings, note);
    violations.push(...check.violations);
    const done = Math.min(from + options.checkEvery, rounds);
    note(
      `${done} of ${rounds} rounds: ${check.runs} runs, ${check.equal} equal to the ledger, ${violations.length} violations`,
    );
    if (violations.length > 0) break;
  }
  if (check === null) throw new Error('There were no rounds.');
  return { ...check, violations };
}

async function strike(battered: Battered, blow: Blow, aside: { callers: Callers; note(text: string): void }) {
  const startedMs = performance.now();
  await delay(blow.afterMs);
  const open = aside.callers.open();
  if (blow.act === 'freeze') {
    const thaw = freezeTarget(battered.hoc.data, blow.victim);
    await delay(blow.frozenMs);
    thaw();
  } else {
    await killTarget(battered.hoc.data, blow.victim);
    if (blow.victim === 'supervisor') {
      await until(() => battered.hoc.stop().then(() => true), 'the supervisor to be gone');
      battered.hoc = await startInstallation({ ...battered.input, data: battered.hoc.data, samePorts: true });
    }
  }
  await battered.hoc.ready(60_000);
  const tookMs = performance.now() - startedMs;
  aside.note(
    `round ${blow.round}: ${blow.act} ${blow.victim}, ${open} open, ready again after ${tookMs.toFixed(0)} ms`,
  );
  await delay(Math.max(0, leastRoundMs - tookMs));
}

const patienceMs = 30_000;

/** Waits while the shippers get on with what lies in the spools; what stands still is for the checks to report. */
async function catchUp(hoc: Installation): Promise<void> {
  let least = Number.POSITIVE_INFINITY;
  let progressAtMs = performance.now();
  for (;;) {
    const behind = await readBacklogBytes(hoc);
    if (behind === 0 || performance.now() - progressAtMs > patienceMs) return;
    if (behind < least) progressAtMs = performance.now();
    least = Math.min(least, behind);
    await delay(500);
  }
}

async function readBacklogBytes(hoc: Installation): Promise<number> {
  const metrics = await hoc.metrics().catch(() => '');
  const lines = metrics.split('\n').filter((line) => /^hoc_spool_bytes\{[^}]*process="shipper/.test(line));
  if (lines.length === 0) return Number.POSITIVE_INFINITY;
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Waits until everything has ended, is shipped and settled, then holds it against callers and ledger. */
export async function checkAll(
  battered: Pick<Battered, 'hoc' | 'simulator' | 'tenant'> & { toldOverruns?: boolean },
  sightings: Parameters<typeof checkRecords>[0]['sightings'],
  note: (text: string) => void = () => undefined,
): Promise<RecordCheck> {
  const { hoc, simulator, tenant, toldOverruns = false } = battered;
  // What is refused because nothing can be recorded may not be on record.
  const recordable = sightings.filter(({ code }) => code !== 'spool_full');
  const ids = new Set(recordable.flatMap((sighting) => sighting.runId ?? []));
  const startedMs = performance.now();
  const isComplete = (runs: { run_id: string; status: string }[]): boolean => {
    const ended = new Set(runs.flatMap((run) => (run.status === 'running' ? [] : [run.run_id])));
    return runs.length === ended.size && [...ids].every((id) => ended.has(id));
  };
  await catchUp(hoc);
  // What is not there after this long is reported by the check, run by run.
  const runs = await hoc.exportRuns(isComplete).catch(() => hoc.exportRuns(() => true));
  note(`complete after ${(performance.now() - startedMs).toFixed(0)} ms`);
  const check = checkRecords({ runs, sightings, toldOverruns, charges: await readLedger(simulator) });
  check.violations.push(...(await checkSealedRecords(hoc)), ...(await checkRollups(hoc)));
  const recorded = new Set(runs.map((run) => run.run_id));
  const unsettled = async () => (await listOpenReservations(hoc, tenant)).filter((id) => recorded.has(id));
  await until(async () => (await unsettled()).length === 0, 'reservations to be settled').catch(() => undefined);
  const left = await unsettled();
  if (left.length > 0) check.violations.push(`${left.length} runs that ended hold a reservation, such as ${left[0]}`);
  // A proxy that was killed between a reservation and its intent: nobody knows of the run, and expiry charges it.
  const unknown = (await listOpenReservations(hoc, tenant)).length - left.length;
  if (unknown > 0) note(`${unknown} reservations of runs that were never recorded are left to their expiry`);
  return check;
}

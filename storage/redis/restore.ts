import { randomUUID } from 'node:crypto';
import { HocError } from '../schema/errors.ts';
import type { CounterWindow, GoneRun, OpenReservation, RebuiltCounter } from '../schema/reservation.ts';
import type { Redis } from './connection.ts';
import { limitKeys, restoreKey, windowTag } from './keys.ts';
import { createScript, restoreSources, type Script } from './script.ts';

/** All that a tenant's counters are rebuilt from, and the new epoch that marks them as valid. */
export interface Restoration {
  tenant: string;
  epoch: string;
  counters: readonly RebuiltCounter[];
  open: readonly OpenReservation[];
  /** Runs that were settled for good before, so that nobody goes on with them; one that is open is not among them. */
  gone?: readonly GoneRun[];
}

/** Another restorer that shows no life for this long is taken for dead. */
const tokenMs = 10_000;
/** Redis serves nobody else during a call; one of this many words takes a few ms. */
const wordsPerCall = 4_000;
const keysPerScan = 1_000;
const maxAmount = 9_000_000_000_000_000n;

/**
 * Replaces all that stands under a tenant by the given counters and open reservations, and puts `epoch` in force at last.
 *
 * It is done in calls that are short for everybody else. From the first to the last of them no epoch stands, so the tenant
 * is refused, and a restoration that ends half way leaves it so. Where the epoch is in force already nothing is done: to
 * repeat it is safe, and of two at once one does it. Amounts over 9e15 count as 9e15. What it writes is told by
 * `policy/limits/specification-restore.ts`. Rejects with `conflict` while another restores the tenant or has taken over,
 * with `internal` where the input cannot be written, and with the client's error while Redis is away.
 */
export async function restoreCounters(
  redis: Redis,
  restoration: Restoration,
  sources: ReturnType<typeof restoreSources> = restoreSources(),
): Promise<void> {
  const { tenant, epoch } = restoration;
  const words = encodeParts(restoration);
  const [epochKey, runsKey, dueKey] = limitKeys(tenant);
  const token = randomUUID();
  const keys = [epochKey, restoreKey(tenant)];
  const call = async (source: string, args: readonly string[], on: readonly string[] = keys): Promise<unknown> => {
    const answer = await scriptOf(redis, source).run(on, args);
    if (answer === 'busy' || answer === 'superseded') throw conflict();
    return answer;
  };
  const now = await call(sources.begin, [epoch, token, `${tokenMs}`]);
  if (now === 'done') return;
  let cursor = '0';
  do {
    cursor = String(await call(sources.remove, [token, `${tokenMs}`, cursor, `${keysPerScan}`]));
  } while (cursor !== '0');
  for (const part of cutParts(words)) {
    const sizes = [part.counters.length, part.runs.length].map(String);
    const args = [token, String(now), `${tokenMs}`, ...sizes, ...part.counters.flat(), ...part.runs.flat()];
    await call(sources.write, args, [epochKey, runsKey, dueKey, restoreKey(tenant)]);
  }
  await call(sources.end, [token, epoch]);
}

function scriptOf(redis: Redis, source: string): Script {
  return createScript(redis, source);
}

interface Part {
  counters: string[][];
  runs: string[][];
}

/** Cuts what is to be written into calls: what was used, then the runs, then the marks of the counters that stand now. */
function cutParts({ counters, runs, marks }: Part & { marks: string[][] }): Part[] {
  const parts: Part[] = [];
  let size = Number.POSITIVE_INFINITY;
  const put = (kind: keyof Part, words: string[]) => {
    if (size + words.length > wordsPerCall) {
      parts.push({ counters: [], runs: [] });
      size = 0;
    }
    size += words.length;
    parts.at(-1)?.[kind].push(words);
  };
  for (const words of counters) put('counters', words);
  for (const words of runs) put('runs', words);
  for (const words of marks) put('counters', words);
  return parts;
}

function encodeParts({ counters, open, gone = [] }: Restoration): Part & { marks: string[][] } {
  const runs = mergeRuns(open);
  const left = gone.filter(({ runId }) => !runs.has(runId));
  return {
    counters: counters.map(encodeUsed),
    runs: [...[...runs].map(encodeRun), ...left.map(({ runId, untilMs }) => [runId, writeMs(untilMs), '-1'])],
    marks: counters.flatMap(encodeMark),
  };
}

function encodeUsed({ key, window, used }: RebuiltCounter): string[] {
  const entries = used.flatMap(({ atMs, amount }) => [writeMs(atMs), writeAmount(amount)]);
  return [key, windowTag(window), '-1', '-1', used.length.toString(), ...entries];
}

function encodeMark({ key, window, near }: RebuiltCounter): string[][] {
  return near === undefined ? [] : [[key, windowTag(window), writeMs(near.atMs), writeAmount(near.amount), '0']];
}

interface MergedRun {
  dueMs: number;
  items: Map<string, { key: string; window: CounterWindow; amount: bigint; atMs: number }>;
}

/** Entries of one run are one reservation: of each counter the larger amount, at the later instant, and due last. */
function mergeRuns(open: readonly OpenReservation[]): Map<string, MergedRun> {
  const runs = new Map<string, MergedRun>();
  for (const { runId, atMs, expiresInMs, items } of open) {
    const run = runs.get(runId) ?? { dueMs: 0, items: new Map() };
    runs.set(runId, run);
    run.dueMs = Math.max(run.dueMs, atMs + expiresInMs);
    for (const item of items) {
      const counter = `${windowTag(item.window)} ${item.key}`;
      const known = run.items.get(counter);
      const sinceMs = item.atMs ?? atMs;
      const amount = known !== undefined && known.amount > item.amount ? known.amount : item.amount;
      run.items.set(counter, { ...item, amount, atMs: Math.max(known?.atMs ?? 0, sinceMs) });
    }
  }
  return runs;
}

function encodeRun([runId, { dueMs, items }]: [string, MergedRun]): string[] {
  const words = [...items.values()].flatMap(({ key, window, amount, atMs }) => [
    key,
    windowTag(window),
    writeMs(atMs),
    writeAmount(amount),
  ]);
  return [runId, writeMs(dueMs), items.size.toString(), ...words];
}

function writeMs(ms: number): string {
  if (Number.isSafeInteger(ms) && ms >= 0) return ms.toString();
  throw new HocError({ code: 'internal', publicMessage: 'Counters cannot be restored: an instant is not in Unix ms.' });
}

function writeAmount(amount: bigint): string {
  if (amount >= 0n) return (amount < maxAmount ? amount : maxAmount).toString();
  throw new HocError({ code: 'internal', publicMessage: 'Counters cannot be restored: an amount is below zero.' });
}

function conflict(): HocError {
  const publicMessage = "Another process restores this tenant's counters; they are in force when it is done.";
  return new HocError({ code: 'conflict', publicMessage });
}

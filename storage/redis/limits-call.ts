import type {
  Ending,
  PlacedItems,
  Reading,
  ReservationItem,
  ReserveReply,
  ReserveRequest,
} from '../schema/reservation.ts';
import { windowTag } from './keys.ts';

/** One call of the limits script, for one tenant. */
export interface LimitsCall {
  epoch: string;
  /** Who calls; each caller's calls are counted. */
  caller: string;
  /** How many due runs the call expires at most. */
  sweep: number;
  settles: readonly Ending[];
  reserves: readonly ReserveRequest[];
}

const wordsPerCounter = 4;
const numbersPerReading = 3;

/** Words of the script's arguments, in the order that limits.lua names. Counters shared by runs are sent once. */
export function encodeCall(call: LimitsCall): string[] {
  const counters: string[] = [];
  const numbers = new Map<string, string>();
  const runs: string[] = [];
  for (const ending of call.settles) pushEnding(runs, ending);
  for (const { runId, expiresInMs, items } of call.reserves) {
    runs.push(runId, expiresInMs.toString(), items.length.toString());
    for (const item of items) runs.push(numberCounter(item, counters, numbers), item.amount.toString());
  }
  const sizes = [call.sweep, counters.length / wordsPerCounter, call.settles.length, call.reserves.length];
  return [call.epoch, call.caller, ...sizes.map(String), ...counters, ...runs];
}

function pushEnding(words: string[], ending: Ending): void {
  const { runId, items } = ending;
  if (!('atMs' in ending)) {
    words.push(runId, ending.final === true ? 'f' : 's', items.length.toString());
    for (const { key, amount } of items) words.push(key, amount.toString());
    return;
  }
  words.push(runId, 'c', items.length.toString());
  for (const { key, window, amount, atMs = ending.atMs } of ending.items) {
    words.push(key, windowTag(window), atMs.toString(), amount.toString());
  }
}

/** The number of an item's counter in the call's list, from 1; the same one under another ceiling or mark is another entry. */
function numberCounter(item: ReservationItem, counters: string[], numbers: Map<string, string>): string {
  const tag = windowTag(item.window);
  const ceiling = item.ceiling.toString();
  const near = item.near.toString();
  const name = `${ceiling} ${near} ${tag} ${item.key}`;
  const known = numbers.get(name);
  if (known !== undefined) return known;
  counters.push(item.key, tag, ceiling, near);
  const number = (counters.length / wordsPerCounter).toString();
  numbers.set(name, number);
  return number;
}

/** What the script answered: how many calls its caller has made by this one, and one reply for each reservation. */
export interface LimitsAnswer {
  tick: number;
  replies: ReserveReply[];
}

/** Reads the script's flat answer: tick, time, then one reply for each of `reserves`, in order. Throws on another form. */
export function decodeAnswer(answer: unknown, reserves: readonly ReserveRequest[]): LimitsAnswer {
  const numbers = readNumbers(answer);
  const [tick = 0, nowMs = 0] = numbers;
  let at = 2;
  const replies = reserves.map(({ items }): ReserveReply => {
    const flag = numbers[at] ?? 0;
    at += 1;
    if (flag === items.length + 1) return { kind: 'gone' };
    const readings = decodeReadings(numbers, at, items.length);
    at += numbersPerReading * items.length;
    if (flag > 0) return { kind: 'refused', refused: flag - 1, readings };
    const notes = numbers.slice(at, at - flag);
    at -= flag;
    return { kind: 'granted', readings, placed: { atMs: nowMs, items: readNotes(notes, readings) } };
  });
  if (at !== numbers.length) throw new Error(`the limits script answered ${numbers.length} numbers instead of ${at}`);
  return { tick, replies };
}

/** Marks the readings that came near, and answers the indexes of the items that count in the window of the call. */
function readNotes(notes: readonly number[], readings: Reading[]): PlacedItems['items'] {
  const placed = notes.flatMap((note) => (note === 0 ? [...readings.keys()] : note < 0 ? [-note - 1] : []));
  for (const note of notes) if (note > 0) markNear(readings, note - 1);
  return placed;
}

function markNear(readings: Reading[], index: number): void {
  const reading = readings[index];
  if (reading === undefined) throw new Error('the limits script marked an item that was not asked for');
  reading.near = true;
}

/** Reads `count` readings of three numbers each, from index `from`. */
export function decodeReadings(numbers: readonly number[], from: number, count: number): Reading[] {
  const readings: Reading[] = [];
  for (let at = from; at < from + numbersPerReading * count; at += numbersPerReading) {
    const [used, reserved, resetsInMs] = [numbers[at], numbers[at + 1], numbers[at + 2]];
    if (used === undefined || reserved === undefined || resetsInMs === undefined)
      throw new Error('a reading is missing');
    readings.push({ used: BigInt(used), reserved: BigInt(reserved), resetsInMs, near: false });
  }
  return readings;
}

/** A script's answer as the list of whole numbers that it must be; throws otherwise. */
export function readNumbers(answer: unknown): readonly number[] {
  if (!Array.isArray(answer) || !answer.every((one) => Number.isSafeInteger(one))) {
    throw new Error('the script did not answer a list of whole numbers');
  }
  return answer;
}

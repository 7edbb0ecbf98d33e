import type { Reading, ReservationItem, ReserveReply, ReserveRequest, SettleRequest } from '../schema/reservation.ts';
import { windowTag } from './keys.ts';

/** One call of the limits script, for one tenant. */
export interface LimitsCall {
  epoch: string;
  /** Who calls; each caller's calls are counted. */
  caller: string;
  /** How many due runs the call expires at most. */
  sweep: number;
  settles: readonly SettleRequest[];
  reserves: readonly ReserveRequest[];
}

const wordsPerCounter = 4;
const numbersPerReading = 3;

/** Words of the script's arguments, in the order that limits.lua names. Counters shared by runs are sent once. */
export function encodeCall(call: LimitsCall): string[] {
  const counters: string[] = [];
  const numbers = new Map<string, string>();
  const runs: string[] = [];
  for (const { runId, items } of call.settles) {
    runs.push(runId, items.length.toString());
    for (const { key, amount } of items) runs.push(key, amount.toString());
  }
  for (const { runId, expiresInMs, items } of call.reserves) {
    runs.push(runId, expiresInMs.toString(), items.length.toString());
    for (const item of items) runs.push(numberCounter(item, counters, numbers), item.amount.toString());
  }
  const sizes = [call.sweep, counters.length / wordsPerCounter, call.settles.length, call.reserves.length];
  return [call.epoch, call.caller, ...sizes.map(String), ...counters, ...runs];
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

/** Reads the script's flat answer: the tick, then one reply for each of `reserves`, in order. Throws on another form. */
export function decodeAnswer(answer: unknown, reserves: readonly ReserveRequest[]): LimitsAnswer {
  const numbers = readNumbers(answer);
  let at = 1;
  const replies = reserves.map(({ items }): ReserveReply => {
    const flag = numbers[at] ?? 0;
    const readings = decodeReadings(numbers, at + 1, items.length);
    at += 1 + numbersPerReading * items.length;
    if (flag > 0) return { kind: 'refused', refused: flag - 1, readings };
    for (const end = at - flag; at < end; at += 1) markNear(readings, (numbers[at] ?? 0) - 1);
    return { kind: 'granted', readings };
  });
  if (at !== numbers.length) throw new Error(`the limits script answered ${numbers.length} numbers instead of ${at}`);
  return { tick: numbers[0] ?? 0, replies };
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

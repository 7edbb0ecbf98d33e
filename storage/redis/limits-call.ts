import type { Reading, ReservationItem, ReserveReply, ReserveRequest, SettleRequest } from '../schema/reservation.ts';
import { windowTag } from './keys.ts';

/** One call of the limits script, for one tenant. */
export interface LimitsCall {
  epoch: string;
  /** How many due runs the call expires at most. */
  sweep: number;
  settles: readonly SettleRequest[];
  reserves: readonly ReserveRequest[];
}

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
  const sizes = [counters.length / 3, call.settles.length, call.reserves.length];
  return [call.epoch, call.sweep.toString(), ...sizes.map(String), ...counters, ...runs];
}

/** The number of an item's counter in the call's list, from 1; the same counter under another ceiling is another entry. */
function numberCounter(item: ReservationItem, counters: string[], numbers: Map<string, string>): string {
  const tag = windowTag(item.window);
  const ceiling = item.ceiling.toString();
  const name = `${ceiling} ${tag} ${item.key}`;
  const known = numbers.get(name);
  if (known !== undefined) return known;
  counters.push(item.key, tag, ceiling);
  const number = (counters.length / 3).toString();
  numbers.set(name, number);
  return number;
}

/** Reads the script's flat answer: one reply for each of `reserves`, in order. Throws where the answer has another form. */
export function decodeReplies(answer: unknown, reserves: readonly ReserveRequest[]): ReserveReply[] {
  const numbers = readNumbers(answer);
  let at = 0;
  const replies = reserves.map(({ items }): ReserveReply => {
    const refused = numbers[at] ?? 0;
    const readings = decodeReadings(numbers, at + 1, items.length);
    at += 1 + 3 * items.length;
    return refused === 0 ? { kind: 'granted', readings } : { kind: 'refused', refused: refused - 1, readings };
  });
  if (at !== numbers.length) throw new Error(`the limits script answered ${numbers.length} numbers instead of ${at}`);
  return replies;
}

/** Reads `count` readings of three numbers each, from index `from`. */
export function decodeReadings(numbers: readonly number[], from: number, count: number): Reading[] {
  const readings: Reading[] = [];
  for (let at = from; at < from + 3 * count; at += 3) {
    const [used, reserved, resetsInMs] = [numbers[at], numbers[at + 1], numbers[at + 2]];
    if (used === undefined || reserved === undefined || resetsInMs === undefined)
      throw new Error('a reading is missing');
    readings.push({ used: BigInt(used), reserved: BigInt(reserved), resetsInMs });
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

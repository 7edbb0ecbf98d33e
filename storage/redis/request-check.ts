import { HocError } from '../schema/errors.ts';
import type { CountRequest, ReserveRequest, SettleRequest } from '../schema/reservation.ts';

/** The largest amount and ceiling that the script counts exactly: under 2^53. */
const maxAmount = 9_000_000_000_000_000n;
/** Lua hands a list of some thousands to a command at most; a run of four words an item stays far under that. */
const maxItems = 500;

/** Throws `internal` where a reservation is not one the script can hold: the caller's engine made a mistake. */
export function checkReserve({ items, expiresInMs }: ReserveRequest): void {
  if (!Number.isSafeInteger(expiresInMs) || expiresInMs < 1) throw mistake('its expiry is not a number of ms');
  if (items.length > maxItems) throw mistake(`it has more than ${maxItems} items`);
  for (const [index, item] of items.entries()) {
    if (![item.amount, item.ceiling, item.near].every(isAmount)) {
      throw mistake('an amount, ceiling or near mark is not from 0 to 9e15');
    }
    refuseShared(items, index);
  }
}

/** Throws `internal` where a settlement is not one the script can hold. */
export function checkSettle({ items }: SettleRequest): void {
  if (items.length > maxItems) throw mistake(`it has more than ${maxItems} items`);
  if (!items.every(({ amount }) => isAmount(amount))) throw mistake('an amount is not from 0 to 9e15');
}

/** Throws `internal` where a run that is to be counted is not one the script can hold. */
export function checkCount({ items, atMs }: CountRequest): void {
  if (items.length > maxItems) throw mistake(`it has more than ${maxItems} items`);
  if (!items.every(({ amount }) => isAmount(amount))) throw mistake('an amount is not from 0 to 9e15');
  if (![atMs, ...items.map((item) => item.atMs ?? atMs)].every(isInstant))
    throw mistake('an instant is not in Unix ms');
  for (const index of items.keys()) refuseShared(items, index);
}

function refuseShared(items: readonly { key: string }[], index: number): void {
  for (let other = 0; other < index; other += 1) {
    if (items[other]?.key === items[index]?.key) throw mistake('two of its items share a counter');
  }
}

function isInstant(ms: number): boolean {
  return Number.isSafeInteger(ms) && ms >= 0;
}

function isAmount(amount: bigint): boolean {
  return amount >= 0n && amount <= maxAmount;
}

function mistake(what: string): HocError {
  return new HocError({ code: 'internal', publicMessage: `The reservation cannot be made: ${what}.` });
}

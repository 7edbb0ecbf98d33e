import type { Unit } from './kinds.ts';

/** How many of a unit's smallest part one of these is. */
const scales: ReadonlyMap<string, readonly [Unit, bigint]> = new Map<string, readonly [Unit, bigint]>([
  ['USD', ['nano_usd', 1_000_000_000n]],
  ['cents', ['nano_usd', 10_000_000n]],
  ['nano_usd', ['nano_usd', 1n]],
  ['B', ['bytes', 1n]],
  ['bytes', ['bytes', 1n]],
  ['kB', ['bytes', 1_000n]],
  ['MB', ['bytes', 1_000_000n]],
  ['GB', ['bytes', 1_000_000_000n]],
  ['KiB', ['bytes', 1_024n]],
  ['MiB', ['bytes', 1_048_576n]],
  ['GiB', ['bytes', 1_073_741_824n]],
  ['ms', ['milliseconds', 1n]],
  ['s', ['milliseconds', 1_000n]],
  ['min', ['milliseconds', 60_000n]],
  ['h', ['milliseconds', 3_600_000n]],
  ['d', ['milliseconds', 86_400_000n]],
  ['tokens', ['tokens', 1n]],
  ['ktokens', ['tokens', 1_000n]],
  ['Mtokens', ['tokens', 1_000_000n]],
  ['characters', ['characters', 1n]],
  ['%', ['percent', 1n]],
  ['percent', ['percent', 1n]],
  ['count', ['count', 1n]],
]);

const form = /^(-?)(\d{1,16})(?:\.(\d{1,9}))? ?([A-Za-z_]{1,12}|%)$/;

/** The unit names that a quantity may carry. */
export const quantityUnits: readonly string[] = [...scales.keys()];

/**
 * Reads a quantity such as `0.50 USD`, `64 KiB`, `5 min`, `8 ktokens` or `80 %` as an exact integer of the smallest unit.
 * Answers a sentence where it is none, is no whole number of that unit, or is beyond 2^53 - 1. Never rounds.
 */
export function readQuantity(text: string): { value: number; unit: Unit } | string {
  const [, sign, whole, fraction = '', name] = form.exec(text) ?? [];
  const scale = name === undefined ? undefined : scales.get(name);
  if (whole === undefined || scale === undefined) {
    return `a quantity is a number and a unit, as in "0.50 USD"; units: ${quantityUnits.join(' ')}`;
  }
  const [unit, size] = scale;
  const digits = BigInt(whole + fraction) * size;
  const parts = 10n ** BigInt(fraction.length);
  if (digits % parts !== 0n) return `${JSON.stringify(text)} is no whole number of ${unit}`;
  const value = Number(digits / parts);
  if (!Number.isSafeInteger(value)) return `${JSON.stringify(text)} is more than 2^53 - 1 ${unit}`;
  return { value: sign === '-' && value !== 0 ? -value : value, unit };
}

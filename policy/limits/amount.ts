/**
 * The largest amount, ceiling and counter: 9e15. It lies under 2^53, so that an engine that counts in doubles (the
 * Redis script does) adds and compares exactly.
 */
export const maxAmount = 9_000_000_000_000_000n;

/** Reads a decimal integer from 0 to 9e15; null for anything else. */
export function parseAmount(text: unknown): bigint | null {
  if (typeof text !== 'string' || !/^(0|[1-9][0-9]{0,15})$/.test(text)) return null;
  const amount = BigInt(text);
  return amount <= maxAmount ? amount : null;
}

/** The amount, or 9e15 where it is more: over every ceiling, and still exact. */
export function capAmount(amount: bigint): bigint {
  if (amount > maxAmount) return maxAmount;
  return amount;
}

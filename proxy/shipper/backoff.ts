const firstMs = 100;
const longestMs = 30_000;

/**
 * How long to wait after the `attempt`th failure in a row (from 1), in ms: 100 ms doubling up to 30 s, of which a random
 * half falls away so that shippers that failed together do not come back together. `random` is at least 0 and below 1.
 */
export function computeBackoffMs(attempt: number, random: number): number {
  const fullMs = Math.min(longestMs, firstMs * 2 ** Math.min(attempt - 1, 20));
  return Math.round(fullMs * (1 - random / 2));
}

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { round } from './median.ts';

const rounds = 5;
const roundMs = 120;

/**
 * CPU microseconds of one `pass`, divided by `parts`: the lowest of five rounds of at least 120 ms after a first that warms
 * up. CPU time of the process, so that what else the machine does is not counted; collecting garbage is.
 */
export function cpuUs(pass: () => void, parts = 1): number {
  let best = Number.POSITIVE_INFINITY;
  for (let nth = 0; nth <= rounds; nth += 1) {
    let passes = 0;
    const before = process.cpuUsage();
    const endMs = performance.now() + roundMs;
    do {
      pass();
      passes += 1;
    } while (performance.now() < endMs);
    const { user, system } = process.cpuUsage(before);
    if (nth > 0) best = Math.min(best, (user + system) / passes / parts);
  }
  return round(best);
}

/** The same for work that is awaited. */
export async function cpuUsAsync(pass: () => Promise<unknown>, parts = 1): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let nth = 0; nth <= rounds; nth += 1) {
    let passes = 0;
    const before = process.cpuUsage();
    const endMs = performance.now() + roundMs;
    do {
      await pass();
      passes += 1;
    } while (performance.now() < endMs);
    const { user, system } = process.cpuUsage(before);
    if (nth > 0) best = Math.min(best, (user + system) / passes / parts);
  }
  return round(best);
}

/** Bytes of the heap that are in use once garbage has been collected. */
export function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

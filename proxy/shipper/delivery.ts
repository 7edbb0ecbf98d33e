import { computeBackoffMs } from './backoff.ts';
import type { ShipperClock } from './ports.ts';

/** Resolves after `ms`, or as soon as `signal` is aborted. */
export function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}

/**
 * Does `act` until it succeeds, waiting ever longer (with jitter, at most 30 s) after each failure, which `onFailure` is told.
 * Returns false where `signal` was aborted before it succeeded; what `act` may have done by then is for idempotence to bear.
 */
export async function deliver(input: {
  act: () => Promise<void>;
  onFailure: (error: unknown) => void;
  clock: ShipperClock;
  signal: AbortSignal;
}): Promise<boolean> {
  for (let attempt = 1; !input.signal.aborted; attempt += 1) {
    try {
      await input.act();
      return true;
    } catch (error) {
      input.onFailure(error);
      await waitFor(computeBackoffMs(attempt, input.clock.random()), input.signal);
    }
  }
  return false;
}

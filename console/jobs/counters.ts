import type { ControlContext } from '../operations/context.ts';
import { advanceCounters, createCounterWatch } from '../operations/counters/advance.ts';
import { showCounterHealth } from '../operations/counters/health.ts';

const everyMs = 1_000;
const leaseMs = 5_000;
const renewMs = 1_500;
const holderBytes = 8;
export const countersLease = 'counters';

/**
 * Looks after the limit counters until the returned function is called: once a second, by whichever control holds the
 * lease. It stands on a timer and not on the queue, so that it goes on where the queue's Redis has lost its jobs, and no
 * long job holds it up. What fails is said once and tried again; ending waits for the look that is under way.
 */
export function keepCounters(context: ControlContext): () => Promise<void> {
  const holder = context.randomHex(holderBytes);
  const watch = createCounterWatch();
  const take = () => context.store.transaction((tx) => tx.takeLease({ name: countersLease, holder, ttlMs: leaseMs }));
  let ended = false;
  let trouble: string | null = null;
  let timer: NodeJS.Timeout | null = null;

  async function lookOnce(): Promise<void> {
    if (!(await take())) {
      // What was seen is of another holder's time.
      watch.samples.clear();
      return;
    }
    const renewing = setInterval(() => void take().catch(() => undefined), renewMs);
    try {
      await advanceCounters(context, watch);
    } finally {
      clearInterval(renewing);
    }
  }

  async function look(): Promise<void> {
    const startedMs = context.now();
    try {
      await lookOnce();
      trouble = null;
    } catch (error) {
      const text = error instanceof Error ? error.message : 'unknown';
      if (text !== trouble) context.log.warn({ err: error }, 'the limit counters could not be looked at; trying again');
      trouble = text;
    }
    await showCounterHealth(context).catch(() => undefined);
    const waitMs = Math.max(0, everyMs - (context.now() - startedMs));
    if (!ended) timer = setTimeout(run, waitMs);
  }

  let running = Promise.resolve();
  const run = (): void => {
    running = look();
  };
  run();
  return async () => {
    ended = true;
    if (timer !== null) clearTimeout(timer);
    await running;
  };
}

import type { ControlContext } from '../operations/context.ts';
import { advanceCounters, createCounterWatch } from '../operations/counters/advance.ts';
import { showCounterHealth } from '../operations/counters/health.ts';
import { keepLeased } from './leased-loop.ts';

const paces = { everyMs: 1_000, leaseMs: 5_000 };

/** Looks after the limit counters once a second until the returned function is called. */
export function keepCounters(context: ControlContext): () => Promise<void> {
  const watch = createCounterWatch();
  return keepLeased(context, {
    ...paces,
    lease: 'counters',
    work: () => advanceCounters(context, watch),
    // What was seen is of another holder's time.
    rest: () => watch.samples.clear(),
    show: () => showCounterHealth(context),
    failed: 'the limit counters could not be looked at',
  });
}

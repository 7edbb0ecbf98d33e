import { waitFor } from './delivery.ts';
import type { ShipperClock } from './ports.ts';

const lookEveryMs = 3000;

/** Watches whether the proxy's lease stands. */
export interface LeaseWatch {
  /** For how long it is known to be gone, in ms; 0 where it is held, or where nobody answers. */
  goneForMs(): number;
  run(signal: AbortSignal): Promise<void>;
}

/** Looks every three seconds. A look that fails says nothing, and the time begins anew behind it. */
export function watchLease(readHolder: () => Promise<string | null>, clock: ShipperClock): LeaseWatch {
  let goneSinceMs: number | null = null;
  return {
    goneForMs: () => (goneSinceMs === null ? 0 : clock.nowMs() - goneSinceMs),
    async run(signal) {
      while (!signal.aborted) {
        const isGone = await readHolder().then(
          (holder) => holder === null,
          () => false,
        );
        if (isGone) goneSinceMs ??= clock.nowMs();
        else goneSinceMs = null;
        await waitFor(lookEveryMs, signal);
      }
    },
  };
}

import type { BatchSeal } from '../../storage/schema/audit.ts';
import { deliver, waitFor } from './delivery.ts';
import type { PostSeals, SealQueue, ShipperClock, ShipperTelemetry } from './ports.ts';

const lookEveryMs = 250;
const sealsPerPost = 500;

/**
 * Posts queued seals to control, oldest first, until `signal` is aborted. Shipping never waits for it: what control does not
 * acknowledge stays in the queue on disk. Posting is idempotent by batch and tenant. Rejects only where the queue's own file
 * cannot be read or written.
 */
export async function postQueuedSeals(input: {
  seals: SealQueue;
  post: PostSeals;
  clock: ShipperClock;
  telemetry: ShipperTelemetry;
  signal: AbortSignal;
}): Promise<void> {
  const { seals, clock, telemetry, signal } = input;
  while (!signal.aborted) {
    const taken = seals.pending() === 0 ? null : await seals.peek(sealsPerPost);
    if (taken === null || taken.lines.length === 0) {
      await waitFor(lookEveryMs, signal);
      continue;
    }
    const batch = taken.lines.map((line) => JSON.parse(line) as BatchSeal);
    const posted = await deliver({
      act: () => input.post(batch),
      onFailure: (error) => telemetry.failed('post_seals', error),
      clock,
      signal,
    });
    if (posted) await seals.drop(taken);
  }
}

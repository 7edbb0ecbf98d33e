import type { Reading } from '../../storage/schema/reservation.ts';
import type { Proximity } from '../../storage/schema/run.ts';
import type { ReservationPlan } from './plan.ts';

/**
 * How near a run came to any of its limits: the worst over all readings, which include the run itself.
 *
 * `ok` is under the limit's `near` percent, `near` from there, `breach` from 100 %, of used plus reserved against the
 * ceiling, in integers. `refused` is the index of the limit that refused the run, or null: with the run included that
 * limit would have been passed, so the run is a `breach`. A run without limits is `ok`. Never throws.
 */
export function computeProximity(
  plan: Pick<ReservationPlan, 'limits'>,
  readings: readonly Reading[],
  refused: number | null = null,
): Proximity {
  if (refused !== null) return 'breach';
  let worst: Proximity = 'ok';
  for (const [index, limit] of plan.limits.entries()) {
    const reading = readings[index];
    if (reading === undefined) continue;
    const taken = reading.used + reading.reserved;
    if (taken >= limit.ceiling) return 'breach';
    if (taken * 100n >= limit.ceiling * limit.nearPercent) worst = 'near';
  }
  return worst;
}

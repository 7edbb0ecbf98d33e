import type { Reading } from '../../storage/schema/reservation.ts';
import type { Proximity } from '../../storage/schema/run.ts';
import type { CompiledLimit } from './compile.ts';
import type { RunProgress } from './facts.ts';
import type { ReservationPlan } from './plan.ts';
import { measureForCap } from './take.ts';

/**
 * How near a run came to any of its limits: the worst over all readings, which include the run itself, and over its caps.
 *
 * `ok` is under the limit's `near` percent, `near` from there, `breach` from 100 % of the ceiling, in integers. `refused`
 * says that a limit refused or cut the run: with all it wanted that limit would have been passed, so it is a `breach`.
 * `progress` is what the run took, for caps; without it they are left out. A run without limits is `ok`. Never throws.
 */
export function computeProximity(
  plan: Pick<ReservationPlan, 'limits'> & Partial<Pick<ReservationPlan, 'caps'>>,
  readings: readonly Reading[],
  { refused = false, progress = null }: { refused?: boolean; progress?: RunProgress | null } = {},
): Proximity {
  if (refused) return 'breach';
  let worst: Proximity = 'ok';
  const taken: [CompiledLimit, bigint | null][] = plan.limits.map((limit, index) => [limit, sumOf(readings[index])]);
  if (progress !== null) for (const cap of plan.caps ?? []) taken.push([cap, measureForCap(cap, progress)]);
  for (const [limit, amount] of taken) {
    if (amount === null) continue;
    if (amount >= limit.ceiling) return 'breach';
    if (amount >= limit.near) worst = 'near';
  }
  return worst;
}

function sumOf(reading: Reading | undefined): bigint | null {
  return reading === undefined ? null : reading.used + reading.reserved;
}

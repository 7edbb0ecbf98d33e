import type { RunProgress } from './facts.ts';
import type { ReservationPlan } from './plan.ts';
import { explainCapCut } from './refusal.ts';
import { measureForCap } from './take.ts';

/**
 * The first cap, by id, that a run under way has passed, with the sentence that ends it; null while it is under all.
 *
 * Tokens and money may reach the ceiling and not pass it; a duration is over when it is reached. A cap on cost holds only
 * where the cost is known. Never throws.
 */
export function checkCaps(
  plan: Pick<ReservationPlan, 'caps'>,
  progress: RunProgress,
): null | { limitId: string; reason: string } {
  for (const cap of plan.caps) {
    const taken = measureForCap(cap, progress);
    if (taken === null || taken < cap.ceiling) continue;
    if (taken === cap.ceiling && cap.unit !== 'milliseconds') continue;
    return { limitId: cap.id, reason: explainCapCut(cap, taken) };
  }
  return null;
}

/** The shortest duration that the plan's caps allow the run, in ms; null where none caps it. */
export function durationCapMs(plan: Pick<ReservationPlan, 'caps'>): number | null {
  const durations = plan.caps.filter((cap) => cap.unit === 'milliseconds').map((cap) => Number(cap.ceiling));
  return durations.length === 0 ? null : Math.min(...durations);
}

/**
 * The output tokens that the plan's token caps allow the whole run after `inputTokens` of input, 0 where none are left;
 * null where none caps them. Caps on cost are not in it: what a token costs is known elsewhere.
 */
export function outputRoom(plan: Pick<ReservationPlan, 'caps'>, inputTokens: bigint): bigint | null {
  let least: bigint | null = null;
  for (const cap of plan.caps) {
    if (cap.unit !== 'output_tokens' && cap.unit !== 'total_tokens') continue;
    const left = cap.unit === 'output_tokens' ? cap.ceiling : cap.ceiling - inputTokens;
    const room = left > 0n ? left : 0n;
    if (least === null || room < least) least = room;
  }
  return least;
}

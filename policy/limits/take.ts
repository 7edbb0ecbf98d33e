import type { CompiledLimit } from './compile.ts';
import type { RunAmounts, RunProgress } from './facts.ts';
import { sumTokens } from './unit.ts';

/**
 * What a run takes of a limit that is kept in a counter, or null where it cannot be told and the limit refuses that.
 *
 * Where a price or a bound is missing, it is the ceiling stated for that case, or the part that is known, if that is more.
 */
export function computeAmount(limit: CompiledLimit, amounts: RunAmounts): bigint | null {
  switch (limit.kind) {
    case 'tokens': {
      const tokens = sumTokens(limit.unit, { input: amounts.inputTokens, output: amounts.outputTokens });
      return takeKnown(tokens.known, tokens.complete && !amounts.unbounded, limit.unbounded);
    }
    case 'money':
      if (amounts.unpriced) return takeKnown(amounts.costNanoUsd, false, limit.unpriced);
      return takeKnown(amounts.costNanoUsd, !amounts.unbounded, limit.unbounded);
    default:
      return 1n;
  }
}

/**
 * What a cap has to expect of a run before it starts, in the cap's unit, from estimates; null where it cannot be told and
 * the cap refuses that. Nothing is expected of its duration.
 */
export function estimateForCap(cap: CompiledLimit, amounts: RunAmounts): bigint | null {
  const { estimated } = amounts;
  if (cap.unit === 'milliseconds') return 0n;
  if (cap.unit === 'nano_usd') {
    if (amounts.unpriced) return takeKnown(estimated.costNanoUsd, false, cap.unpriced);
    return takeKnown(estimated.costNanoUsd, true, cap.unbounded);
  }
  const tokens = sumTokens(cap.unit, { input: estimated.inputTokens, output: estimated.outputTokens });
  return takeKnown(tokens.known, tokens.complete, cap.unbounded);
}

/** What a run has taken in the cap's unit; null where no price tells it. */
export function measureForCap(cap: CompiledLimit, progress: RunProgress): bigint | null {
  if (cap.unit === 'milliseconds') return BigInt(Math.max(0, Math.floor(progress.elapsedMs)));
  if (cap.unit === 'nano_usd') return progress.costNanoUsd;
  return sumTokens(cap.unit, { input: progress.inputTokens, output: progress.outputTokens }).known;
}

function takeKnown(known: bigint | null, isAll: boolean, stated: bigint | null): bigint | null {
  if (isAll && known !== null) return known;
  if (stated === null) return null;
  return known !== null && known > stated ? known : stated;
}

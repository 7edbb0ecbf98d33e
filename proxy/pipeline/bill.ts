import { computeCost } from '../../policy/pricing/index.ts';
import { noUsage, type Usage, type UsageSource } from '../../storage/schema/run.ts';
import type { Ending } from './ending.ts';
import type { Run } from './run.ts';

/** What a run came to. `usage` holds only what the provider reported. */
export interface Bill {
  usage: Usage;
  usageSource: UsageSource;
  /** Null when unpriced. */
  costNanoUsd: bigint | null;
  estimatedOutputTokens: number | null;
}

/**
 * Prices what was used.
 *
 * Reported usage is priced as reported. Where an answer was produced and the provider reported nothing, the cost is an
 * upper bound that never exceeds the reservation: one token a byte of input, one a character of output. A run that never
 * reached the provider, or that the provider answered with an error, costs nothing. An unknown price is null, not zero.
 */
export function computeBill(run: Run, ending: Ending): Bill {
  const facts = ending.facts;
  const price = run.quote?.price ?? null;
  const estimatedOutputTokens = facts === null ? null : Math.ceil(facts.outputCharacters / 4);
  if (facts?.usageReported) {
    const costNanoUsd = price === null ? null : computeCost(price, facts.usage);
    return { usage: facts.usage, usageSource: 'provider', costNanoUsd, estimatedOutputTokens };
  }
  const nothing = { usage: noUsage, usageSource: 'none' as const, estimatedOutputTokens };
  if (ending.refusal !== null || run.sealed === null) return { ...nothing, costNanoUsd: 0n };
  const rejected = ending.head !== null && ending.head.status >= 400;
  const unreached = ending.head === null && ending.status === 'failed';
  if (rejected || unreached) return { ...nothing, costNanoUsd: price === null ? null : 0n };
  if (price === null || run.read === null) return { ...nothing, costNanoUsd: null };
  run.marks.add('usage_missing');
  const bound = computeCost(price, {
    ...noUsage,
    input_tokens: run.read.facts.inputBoundTokens,
    output_tokens: facts?.outputCharacters ?? 0,
  });
  const ceiling = run.quote?.worstCaseNanoUsd ?? null;
  const costNanoUsd = bound !== null && ceiling !== null && bound > ceiling ? ceiling : bound;
  return { usage: noUsage, usageSource: 'estimated', costNanoUsd, estimatedOutputTokens };
}

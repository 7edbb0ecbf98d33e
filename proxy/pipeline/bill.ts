import { computeCost } from '../../policy/pricing/index.ts';
import { noUsage, type Usage, type UsageSource } from '../../storage/schema/run.ts';
import type { Ending } from './ending.ts';
import type { Run } from './run.ts';

const maxPlausibleTokens = 1_000_000_000;

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
 * Reported usage is priced as reported. Where an answer was produced and the provider reported nothing that can be true,
 * the cost is an upper bound that never exceeds the worst case; see `boundCost`. A run that failed before the answer's
 * head, or that the provider answered with an error, costs nothing. An unknown price is null, not zero.
 * A provider that reports more than was reserved marks the run `overrun`.
 */
export function computeBill(run: Run, ending: Ending): Bill {
  const bill = priceUse(run, ending);
  const reserved = run.reserved?.plan?.moneyReservedNanoUsd ?? null;
  if (reserved !== null && bill.costNanoUsd !== null && bill.costNanoUsd > reserved) run.marks.add('overrun');
  return bill;
}

function priceUse(run: Run, ending: Ending): Bill {
  const facts = ending.facts;
  const price = run.quote?.price ?? null;
  const estimatedOutputTokens = facts === null ? null : Math.ceil(facts.outputCharacters / 4);
  if (facts?.usageReported && isPlausible(facts.usage)) {
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
  return { usage: noUsage, usageSource: 'estimated', costNanoUsd: boundCost(run, ending), estimatedOutputTokens };
}

/** No model answers with a billion tokens: such a figure is a fault, and would lock a budget for a month. */
function isPlausible(usage: Usage): boolean {
  return (usage.input_tokens ?? 0) < maxPlausibleTokens && (usage.output_tokens ?? 0) < maxPlausibleTokens;
}

/**
 * The most that a run without reported usage can have cost: of a stream that was read, its input bound and a token a
 * character, never more than the worst case; of anything that was not read, the worst case itself.
 */
function boundCost(run: Run, ending: Ending): bigint | null {
  const price = run.quote?.price ?? null;
  const worst = run.quote?.worstCaseNanoUsd ?? null;
  if (price === null || run.read === null) return worst;
  const characters = ending.facts?.outputCharacters ?? 0;
  if (worst !== null && (!ending.streamed || characters === 0)) return worst;
  const seen = Math.max(characters, ending.streamed ? 0 : (ending.captured?.wholeBytes ?? 0));
  const bound = computeCost(price, {
    ...noUsage,
    input_tokens: run.read.facts.inputBoundTokens,
    output_tokens: seen,
  });
  return bound !== null && worst !== null && bound > worst ? worst : bound;
}

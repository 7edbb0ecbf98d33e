import type { RunAmounts } from '../../policy/limits/index.ts';
import { computeCost, computeWorstCase } from '../../policy/pricing/index.ts';
import { noUsage } from '../../storage/schema/run.ts';
import type { RequestFacts } from '../dialects/dialect.ts';
import type { PriceQuote } from './run.ts';

/** Output tokens that a stream reserves at a time. */
export const trancheTokens = 1024;

/**
 * Output tokens to reserve before the wire: the cap of a whole answer, the first tranche of a stream; null where no bound
 * is known. A stream that can hide output is no measure of what it costs, so all of its cap is reserved at once.
 */
export function firstOutputTokens(quote: PriceQuote, facts: RequestFacts): number | null {
  if (!facts.streamed || quote.hidesOutput) return quote.outputTokens;
  return Math.min(quote.outputTokens ?? Number.POSITIVE_INFINITY, trancheTokens);
}

/**
 * What the run takes with `outputTokens` of output, for the limits: bounds to be reserved, and estimates for its caps.
 *
 * `outputTokens` counts all answers asked for together; null: no bound is known.
 */
export function computeAmounts(quote: PriceQuote, facts: RequestFacts, outputTokens: number | null): RunAmounts {
  return {
    inputTokens: BigInt(quote.inputTokens),
    outputTokens: outputTokens === null ? null : BigInt(outputTokens),
    costNanoUsd: boundCost(quote, facts, { inputTokens: quote.inputTokens, outputTokens }),
    unpriced: quote.unboundedReason === 'unpriced',
    unbounded: facts.unbounded !== null,
    // Only caps ask for it, and few runs are under any.
    get estimated() {
      return estimateAmounts(quote, facts);
    },
  };
}

/** The most that these tokens cost; null without a price or a bound. */
export function boundCost(
  quote: PriceQuote,
  facts: RequestFacts,
  tokens: { inputTokens: number; outputTokens: number | null },
): bigint | null {
  if (quote.price === null) return quote.worstCaseNanoUsd;
  if (tokens.outputTokens === null) return null;
  const isWhole = tokens.inputTokens === quote.inputTokens && tokens.outputTokens === quote.outputTokens;
  if (isWhole) return quote.worstCaseNanoUsd;
  const outputTokens = Math.ceil(tokens.outputTokens / facts.choices);
  return computeWorstCase(quote.price, {
    ...tokens,
    outputTokens,
    answers: facts.choices,
    inputMedia: facts.inputMedia,
    longCache: facts.longCache,
  }).nanoUsd;
}

function estimateAmounts(quote: PriceQuote, facts: RequestFacts): RunAmounts['estimated'] {
  const input = facts.estimatedInputTokens;
  const output = facts.streamed ? 0 : quote.outputTokens;
  return {
    inputTokens: BigInt(input),
    outputTokens: output === null ? null : BigInt(output),
    costNanoUsd:
      quote.price === null || output === null
        ? quote.worstCaseNanoUsd
        : computeCost(quote.price, { ...noUsage, input_tokens: input, output_tokens: output }),
  };
}

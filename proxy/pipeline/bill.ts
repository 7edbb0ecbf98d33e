import type { SettledOutcome } from '../../policy/limits/index.ts';
import { computeCost } from '../../policy/pricing/index.ts';
import { noUsage, type Usage, type UsageSource } from '../../storage/schema/run.ts';
import type { AnswerFacts } from '../dialects/dialect.ts';
import { boundCost } from './amounts.ts';
import { worstCaseOf } from './charges.ts';
import type { Ending } from './ending.ts';
import type { PriceQuote, Read, Run } from './run.ts';

const maxPlausibleTokens = 1_000_000_000;

/** What a run came to. */
export interface Bill {
  /** Only what the provider reported; what an answer that broke off said of its output is no total and is left out. */
  usage: Usage;
  usageSource: UsageSource;
  /** Null when unpriced. */
  costNanoUsd: bigint | null;
  estimatedOutputTokens: number | null;
  /** The same for its limits, with bounds where nothing was reported. */
  outcome: SettledOutcome;
}

const zeroUsage: Usage = { ...noUsage, input_tokens: 0, output_tokens: 0 };
const nothing: SettledOutcome = { costNanoUsd: 0n, usage: zeroUsage };

/**
 * Prices what was used.
 *
 * A complete answer costs what its provider reported. A run that no connection took, and one that the provider refused,
 * cost nothing. Anything else is bounded by an estimate that says so: a stream that ended early by its input and what of
 * its output was seen, what was never read by the worst case; see `estimate`. Usage that cannot be true is marked and
 * makes no run cheaper than its bound. An unknown price is null, not zero.
 */
export function computeBill(run: Run, ending: Ending, moneyReservedNanoUsd: bigint | null): Bill {
  const { facts } = ending;
  const estimatedOutputTokens = facts === null ? null : Math.ceil(facts.outputCharacters / 4);
  const free = { usage: noUsage, usageSource: 'none' as const, estimatedOutputTokens, outcome: nothing };
  if (run.sealed === null || ending.status === 'blocked' || (ending.head === null && !ending.sent)) {
    return { ...free, costNanoUsd: 0n };
  }
  const { read, quote } = run;
  const price = quote?.price ?? null;
  const reported = facts?.usageReported && isPlausible(facts.usage) ? facts.usage : null;
  const complete = facts !== null && !facts.failed;
  if (reported !== null && complete && facts.usageFlaw === null) {
    const costNanoUsd = price === null ? null : computeCost(price, reported);
    const outcome = { costNanoUsd, usage: reported };
    return { usage: reported, usageSource: 'provider', costNanoUsd, estimatedOutputTokens, outcome };
  }
  if (ending.head !== null && ending.head.status >= 400) return { ...free, costNanoUsd: price === null ? null : 0n };
  if (read === null || quote === null) return { ...free, costNanoUsd: null };
  const flawed = complete && (facts.usageFlaw !== null || facts.usageReported);
  if (flawed) run.marks.add('usage_flawed');
  else if (price !== null || read.dialect.vendor !== null) run.marks.add('usage_missing');
  const outcome = estimate({ read, quote, ending, reported, moneyReservedNanoUsd });
  const { costNanoUsd } = outcome;
  // What is neither reported nor priced is a figure of nobody.
  const usageSource = costNanoUsd === null && price === null && !flawed ? 'none' : 'estimated';
  const usage = complete ? (reported ?? noUsage) : withoutOutput(reported);
  return { usage, usageSource, costNanoUsd, estimatedOutputTokens, outcome };
}

/** No model answers with a billion tokens: such a figure is a fault, and would lock a budget for a month. */
function isPlausible(usage: Usage): boolean {
  return (usage.input_tokens ?? 0) < maxPlausibleTokens && (usage.output_tokens ?? 0) < maxPlausibleTokens;
}

function withoutOutput(usage: Usage | null): Usage {
  if (usage === null) return noUsage;
  const { output_audio_tokens: _audio, output_image_tokens: _image, ...rest } = usage;
  return { ...rest, output_tokens: null, reasoning_tokens: null };
}

interface Unclear {
  read: Read;
  quote: PriceQuote;
  ending: Ending;
  reported: Usage | null;
  moneyReservedNanoUsd: bigint | null;
}

/**
 * The most that a run can have come to of which the provider told no total: the input it told (else the input's bound)
 * and the output that was seen, never more than the worst case and never less than what was reported. Where the facts
 * bound nothing it is at least what was reserved.
 */
function estimate({ read, quote, ending, reported, moneyReservedNanoUsd }: Unclear): SettledOutcome {
  const told = reported?.input_tokens ?? 0;
  const seen = boundSeen(quote, ending);
  const outputTokens = seen === null ? null : Math.max(seen, reported?.output_tokens ?? 0);
  const tokens = { inputTokens: told > 0 ? told : quote.inputTokens, outputTokens };
  const unbounded = quote.unboundedReason === 'unbounded' && told === 0;
  const usage = { ...noUsage, input_tokens: tokens.inputTokens, output_tokens: outputTokens };
  if (quote.price === null) return { costNanoUsd: null, usage: unbounded ? null : usage };
  const inputKnown = told > 0 && reported !== null && outputTokens !== null;
  const bound = inputKnown
    ? computeCost(quote.price, { ...reported, output_tokens: outputTokens })
    : boundCost(quote, read.facts, tokens);
  const worst = worstCaseOf(quote, moneyReservedNanoUsd);
  const least = reported === null ? 0n : (computeCost(quote.price, reported) ?? 0n);
  const most = unbounded || bound === null || (worst !== null && bound > worst) ? worst : bound;
  return { costNanoUsd: most !== null && most < least ? least : most, usage: unbounded ? null : usage };
}

/**
 * Output tokens that cannot be exceeded, by what was seen of the answer; null where nothing bounds them.
 *
 * All of the cap counts where output can be hidden, where no answer came, where one that is whole broke off (its provider
 * had made it before it sent the first byte), and where the provider claims more than can be.
 */
function boundSeen(quote: PriceQuote, { facts, streamed }: Ending): number | null {
  const unseen = facts === null || quote.hidesOutput || (!streamed && facts.failed) || !isPlausible(facts.usage);
  if (unseen) return quote.outputTokens;
  const seen = seenTokens(facts);
  if (quote.outputTokens === null) return seen;
  return seen === null ? quote.outputTokens : Math.min(seen, quote.outputTokens);
}

/** Infinity stands for an answer that could not be read. */
function seenTokens(facts: AnswerFacts): number | null {
  return Number.isFinite(facts.outputBoundTokens) ? facts.outputBoundTokens : null;
}

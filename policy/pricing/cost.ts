import type { Usage } from '../../storage/schema/run.ts';
import type { ModelPrice, PriceRates } from '../../storage/schema/snapshot.ts';

const perMillion = 1_000_000n;
/** Output that is taken as possible where neither the request nor the model bounds it: the largest common window. */
const defaultOutputTokens = 131_072;

/**
 * What a call cost, in nano-USD, rounded up once for the whole call; null where the price does not say.
 *
 * Input includes cached and cache-write tokens, output includes reasoning; each class without a price of its own counts as
 * the class that includes it, so nothing is counted twice and nothing is free by omission. The tier is that of the whole
 * input. Null: neither input nor output was reported, or tokens were reported in a class that has no price at all. One of
 * the two silent counts as 0. Negative counts are 0, and parts that exceed their whole raise it.
 */
export function computeCost(price: ModelPrice, usage: Usage): bigint | null {
  if (usage.input_tokens === null && usage.output_tokens === null) return null;
  const cached = count(usage.cached_input_tokens);
  const written = count(usage.cache_write_tokens);
  const input = Math.max(count(usage.input_tokens), cached + written);
  const reasoning = count(usage.reasoning_tokens);
  const output = Math.max(count(usage.output_tokens), reasoning);
  const rates = ratesFor(price, input);
  if (rates === null || (rates.input === null && rates.output === null)) return null;
  const charges = [
    charge(input - cached - written, rates.input),
    charge(cached, rates.cached_input ?? rates.input),
    charge(written, rates.cache_write ?? rates.input),
    charge(output - reasoning, rates.output),
    charge(reasoning, rates.reasoning ?? rates.output),
    charge(1, rates.request ?? '0'),
  ];
  return roundUp(charges);
}

/**
 * The most that a call can cost under its bounds, in nano-USD, and the output bound that was used.
 *
 * The output bound is the smaller of the request's and the model's cap (without either the model's context, else 131,072:
 * a priced model is never unbounded) times the answers asked for (`n`, 1 unless given). Never below `computeCost` of any
 * usage within these bounds: every input token counts at the dearest of its classes, and every tier within reach is tried,
 * for a larger input may be cheaper. Null where the price does not say.
 */
export function computeWorstCase(
  price: ModelPrice,
  bounds: { inputTokens: number; outputTokens: number | null; answers?: number },
): { nanoUsd: bigint | null; outputTokens: number | null } {
  const inputTokens = count(bounds.inputTokens);
  const outputTokens = boundOutput(price, bounds.outputTokens) * Math.max(1, count(bounds.answers ?? 1));
  let worst: bigint | null = null;
  for (const [i, tier] of price.tiers.entries()) {
    if (i > 0 && inputTokens <= tier.above_input_tokens) break;
    const end = price.tiers[i + 1]?.above_input_tokens ?? inputTokens;
    const most = mostInTier(tier.rates, Math.min(inputTokens, end), outputTokens);
    if (most === null) return { nanoUsd: null, outputTokens };
    if (worst === null || most > worst) worst = most;
  }
  return { nanoUsd: worst, outputTokens };
}

function boundOutput(price: ModelPrice, requested: number | null): number {
  const cap = price.max_output_tokens;
  if (requested === null) return cap ?? price.context_tokens ?? defaultOutputTokens;
  return cap === null ? count(requested) : Math.min(count(requested), cap);
}

function mostInTier(rates: PriceRates, inputTokens: number, outputTokens: number): bigint | null {
  if (rates.input === null && rates.output === null) return null;
  const inputRate = rates.input === null ? null : dearest([rates.input, rates.cached_input, rates.cache_write]);
  const outputRate = rates.output === null ? null : dearest([rates.output, rates.reasoning]);
  return roundUp([charge(inputTokens, inputRate), charge(outputTokens, outputRate), charge(1, rates.request ?? '0')]);
}

function dearest(rates: readonly (string | null | undefined)[]): string {
  let most = 0n;
  for (const rate of rates) if (rate != null && BigInt(rate) > most) most = BigInt(rate);
  return most.toString();
}

function ratesFor(price: ModelPrice, inputTokens: number): PriceRates | null {
  const tier = price.tiers.findLast(({ above_input_tokens: above }, i) => i === 0 || inputTokens > above);
  return tier?.rates ?? null;
}

/** Nano-USD per million times tokens; null where there are tokens and no rate. */
function charge(tokens: number, rate: string | null): bigint | null {
  if (tokens === 0) return 0n;
  return rate === null ? null : BigInt(tokens) * BigInt(rate);
}

function roundUp(charges: readonly (bigint | null)[]): bigint | null {
  let sum = 0n;
  for (const amount of charges) {
    if (amount === null) return null;
    sum += amount;
  }
  return (sum + perMillion - 1n) / perMillion;
}

/** Tokens as a count: null, NaN and negative are 0, fractions round up, nothing exceeds the exact integers. */
function count(tokens: number | null): number {
  if (tokens === null || !(tokens > 0)) return 0;
  return Math.min(Math.ceil(tokens), Number.MAX_SAFE_INTEGER);
}

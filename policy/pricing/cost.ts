import type { Usage } from '../../storage/schema/run.ts';
import type { ModelPrice, PriceRates } from '../../storage/schema/snapshot.ts';

const perMillion = 1_000_000n;
/** Output that is taken as possible where neither the request nor the model bounds it: the largest common window. */
const defaultOutputTokens = 131_072;

/**
 * What a call cost, in nano-USD, rounded up once for the whole call; null where the price does not say.
 *
 * Input includes cached, cache-write, audio and image tokens, output includes reasoning, audio and image tokens; a class
 * without a price of its own counts as the class that includes it, so nothing is counted twice and nothing is free by
 * omission. Where a token may belong to two classes it counts as the dearer. The tier is that of the whole input. Null:
 * neither input nor output was reported, or tokens were reported in a class that has no price at all. One of the two
 * silent counts as 0. Negative counts are 0, and parts that exceed their whole raise it.
 */
export function computeCost(price: ModelPrice, usage: Usage): bigint | null {
  if (usage.input_tokens === null && usage.output_tokens === null) return null;
  const input = splitInput(usage);
  const rates = ratesFor(price, input.fresh + input.cached);
  if (rates === null || (rates.input === null && rates.output === null)) return null;
  return roundUp([
    chargeParts(input.fresh, rates.input, [
      { tokens: input.audio, rate: rates.input_audio },
      { tokens: input.image, rate: rates.input_image },
      { tokens: input.written - input.writtenLong, rate: rates.cache_write },
      { tokens: input.writtenLong, rate: rates.cache_write_1h ?? rates.cache_write },
    ]),
    chargeParts(input.cached, rates.cached_input ?? rates.input, [
      { tokens: input.cachedAudio, rate: rates.cached_audio ?? rates.input_audio },
      { tokens: input.cachedImage, rate: rates.cached_image ?? rates.input_image },
    ]),
    chargeOutput(rates, usage),
    charge(1, rates.request ?? '0'),
  ]);
}

/** What bounds a call. */
export interface CostBounds {
  inputTokens: number;
  /** For each answer; null where the request says nothing. */
  outputTokens: number | null;
  answers?: number;
  /** Whether the input can hold audio or images; taken for true where it is absent. */
  inputMedia?: boolean;
  /** Whether the request can write to a cache that is kept for an hour; taken for true where it is absent. */
  longCache?: boolean;
}

/**
 * The most that a call can cost under its bounds, in nano-USD, and the output bound that was used.
 *
 * The output bound is the smaller of the request's and the model's cap (without either the model's context, else 131,072:
 * a priced model is never unbounded) times the answers asked for (`n`, 1 unless given). Never below `computeCost` of any
 * usage within these bounds: every token counts at the dearest of its classes, and every tier within reach is tried, for a
 * larger input may be cheaper. An input that holds no audio and no images, or is not kept for an hour, is not bounded at their price. Null where the
 * price does not say.
 */
export function computeWorstCase(
  price: ModelPrice,
  bounds: CostBounds,
): { nanoUsd: bigint | null; outputTokens: number | null } {
  const inputTokens = count(bounds.inputTokens);
  const outputTokens = boundOutput(price, bounds.outputTokens) * Math.max(1, count(bounds.answers ?? 1));
  let worst: bigint | null = null;
  for (const [i, tier] of price.tiers.entries()) {
    if (i > 0 && inputTokens <= tier.above_input_tokens) break;
    const end = price.tiers[i + 1]?.above_input_tokens ?? inputTokens;
    const tokens = { inputTokens: Math.min(inputTokens, end), outputTokens };
    const most = mostInTier(tier.rates, tokens, bounds);
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

function mostInTier(
  rates: PriceRates,
  { inputTokens, outputTokens }: { inputTokens: number; outputTokens: number },
  { inputMedia = true, longCache = true }: CostBounds,
): bigint | null {
  if (rates.input === null && rates.output === null) return null;
  const heard = inputMedia ? [rates.input_audio, rates.cached_audio, rates.input_image, rates.cached_image] : [];
  const kept = longCache ? rates.cache_write_1h : null;
  const inputRate =
    rates.input === null ? null : dearest([rates.input, rates.cached_input, rates.cache_write, kept, ...heard]);
  const outputRate =
    rates.output === null ? null : dearest([rates.output, rates.reasoning, rates.output_audio, rates.output_image]);
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

/**
 * The classes of an input. Audio and images count as not cached as far as there is room, which is never cheaper; what
 * remains of them must have come from the cache.
 */
function splitInput(usage: Usage) {
  const cached = count(usage.cached_input_tokens);
  const writtenLong = count(usage.cache_write_1h_tokens);
  const written = Math.max(count(usage.cache_write_tokens), writtenLong);
  const audio = count(usage.input_audio_tokens);
  const image = count(usage.input_image_tokens);
  const fresh = Math.max(count(usage.input_tokens), cached + written, audio + image) - cached;
  const cachedAudio = Math.min(Math.max(count(usage.cached_audio_tokens), audio - fresh), cached);
  const freshAudio = Math.min(Math.max(audio - cachedAudio, 0), fresh);
  const cachedImage = Math.min(Math.max(image - (fresh - freshAudio), 0), cached - cachedAudio);
  return {
    fresh,
    cached,
    written,
    writtenLong,
    audio: freshAudio,
    image: image - cachedImage,
    cachedAudio,
    cachedImage,
  };
}

function chargeOutput(rates: PriceRates, usage: Usage): bigint | null {
  const parts = [
    { tokens: count(usage.reasoning_tokens), rate: rates.reasoning },
    { tokens: count(usage.output_audio_tokens), rate: rates.output_audio },
    { tokens: count(usage.output_image_tokens), rate: rates.output_image },
  ];
  const whole = parts.reduce((sum, part) => sum + part.tokens, 0);
  return chargeParts(Math.max(count(usage.output_tokens), whole), rates.output, parts);
}

/** Charges each part that has a rate, the dearest first, as far as the whole reaches, and what is left at `base`. */
function chargeParts(
  whole: number,
  base: string | null,
  parts: readonly { tokens: number; rate: string | null | undefined }[],
): bigint | null {
  let left = whole;
  let sum = 0n;
  const priced = parts.flatMap(({ tokens, rate }) =>
    tokens === 0 || rate == null ? [] : [{ tokens, rate: BigInt(rate) }],
  );
  for (const { tokens, rate } of priced.sort((a, b) => (a.rate > b.rate ? -1 : 1))) {
    const taken = Math.min(tokens, left);
    sum += BigInt(taken) * rate;
    left -= taken;
  }
  const rest = charge(left, base);
  return rest === null ? null : sum + rest;
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
function count(tokens: number | null | undefined): number {
  if (tokens == null || !(tokens > 0)) return 0;
  return Math.min(Math.ceil(tokens), Number.MAX_SAFE_INTEGER);
}

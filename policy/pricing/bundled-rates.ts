import type { ModelPrice as SourcePrice, TieredPrices } from '@pydantic/genai-prices';
import type { PriceRates, PriceTier } from '../../storage/schema/snapshot.ts';

const nanoPerUsd = 1e9;
/** genai-prices gives request fees per thousand requests; ours are per million, like tokens. */
const thousandsPerMillion = 1e3;

type Rate = SourcePrice[string];

/** Our optional rates, the package's names of them, and the factor between their units. */
const optional = [
  ['reasoning', 'output_reasoning_mtok', 1],
  ['request', 'requests_kcount', thousandsPerMillion],
  ['cache_write_1h', 'cache_write_1h_mtok', 1],
  ['input_audio', 'input_audio_mtok', 1],
  ['cached_audio', 'cache_audio_read_mtok', 1],
  ['output_audio', 'output_audio_mtok', 1],
  ['input_image', 'input_image_mtok', 1],
  ['cached_image', 'cache_image_read_mtok', 1],
  ['output_image', 'output_image_mtok', 1],
] as const;

/**
 * The tiers of one price of genai-prices, its floats rounded once, to nano-USD per million.
 *
 * Kept: text tokens in and out, cached, cache-write (of 5 minutes and of an hour), reasoning, audio, images, request fee. Not
 * kept, since a run's usage does not tell them apart: video and citation tokens, searches, hours, pages. A model
 * without a price for tokens keeps nulls, so that it counts as unpriced; the package would call it free.
 */
export function translateRates(price: SourcePrice, isFree: boolean): readonly PriceTier[] {
  const rates = [price.input_mtok, price.output_mtok, price.cache_read_mtok, price.cache_write_mtok];
  for (const [, source] of optional) rates.push(price[source]);
  const starts = new Set([0]);
  for (const rate of rates) if (isTiered(rate)) for (const tier of rate.tiers) starts.add(tier.start);
  return [...starts]
    .sort((a, b) => a - b)
    .map((start) => ({ above_input_tokens: start, rates: ratesAbove(price, start, isFree) }));
}

function ratesAbove(price: SourcePrice, start: number, isFree: boolean): PriceRates {
  const own: Partial<Record<(typeof optional)[number][0], string>> = {};
  for (const [name, source, scale] of optional) {
    const rate = rateAbove(price[source], start, scale);
    if (rate !== null) own[name] = rate;
  }
  return {
    input: isFree ? '0' : rateAbove(price.input_mtok, start),
    output: isFree ? '0' : rateAbove(price.output_mtok, start),
    cached_input: rateAbove(price.cache_read_mtok, start),
    cache_write: rateAbove(price.cache_write_mtok, start),
    ...own,
  };
}

function rateAbove(rate: Rate, start: number, scale: number = 1): string | null {
  if (rate === undefined) return null;
  const usd = isTiered(rate) ? (rate.tiers.findLast((tier) => tier.start <= start)?.price ?? rate.base) : rate;
  return BigInt(Math.round(usd * nanoPerUsd * scale)).toString();
}

function isTiered(rate: Rate): rate is TieredPrices {
  return typeof rate === 'object';
}

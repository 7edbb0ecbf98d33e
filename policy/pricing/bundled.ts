import { type ConditionalPrice, findProvider, type ModelInfo, type Provider } from '@pydantic/genai-prices';
import { HocError } from '../../storage/schema/errors.ts';
import type { ModelPrice, PriceDocument, PriceList, PriceRates } from '../../storage/schema/snapshot.ts';
import { bundledVendors } from './bundled-lists.ts';
import { translateMatch } from './bundled-match.ts';
import { translateRates } from './bundled-rates.ts';
import { hidesOutput } from './hidden-output.ts';
import { outputCaps } from './output-caps.ts';

const source = '@pydantic/genai-prices 0.1.8';

/** Models that their vendor gives away, beside those whose id ends with `:free`. */
const freeModels: ReadonlySet<string> = new Set([
  'github-copilot/gpt-3.5-turbo',
  'github-copilot/gpt-4.1',
  'github-copilot/gpt-4o',
  'github-copilot/gpt-4o-mini',
  'google/gemma-3',
  'google/gemma-3n',
  'google/gemma-4-26b-a4b-it',
  'google/gemma-4-31b-it',
  'openai/moderation',
]);

/** What the built-in simulator charges, in nano-USD per million tokens: $0.15 and $0.60, $2.50 and $10; cached input half. */
const simulator: PriceList = {
  vendor: 'simulator',
  models: [
    simulated('sim-large', { input: '2500000000', cached_input: '1250000000', output: '10000000000' }),
    simulated('sim-small', { input: '150000000', cached_input: '75000000', output: '600000000' }),
  ],
};

/**
 * The prices that come with HOC: all lists of genai-prices and the simulator's, sorted by vendor, models in the order in
 * which they match. Deterministic: the same package gives the same bytes. About 20 ms; control calls it once at start.
 *
 * Loading this module loads the package (50 ms, 5 MB), which is why a proxy, that reads prices from its snapshot, does not.
 * Throws `internal` when the package holds a list or a clause that has no form here.
 */
export function buildBundledPrices(): PriceDocument {
  const lists = bundledVendors.map((vendor) => translateProvider(readProvider(vendor)));
  return { v: 1, kind: 'prices', source, lists: [...lists, simulator].sort((a, b) => (a.vendor < b.vendor ? -1 : 1)) };
}

function readProvider(vendor: string): Provider {
  const provider = findProvider({ providerId: vendor });
  if (provider?.id === vendor) return provider;
  throw new HocError({ code: 'internal', publicMessage: `${source} has no list ${vendor}` });
}

function translateProvider(provider: Provider): PriceList {
  const models = provider.models.flatMap((model) => translateModel(provider.id, model));
  const fallbacks = provider.fallback_model_providers;
  return { vendor: provider.id, models, ...(fallbacks === undefined ? {} : { fallbacks }) };
}

/** One entry for each of the model's prices; the first holds since ever, because it is what the package falls back to. */
function translateModel(vendor: string, model: ModelInfo): readonly ModelPrice[] {
  const id = model.id.toLowerCase();
  const aliases = translateMatch(model.match).filter((alias) => alias !== id);
  const prices: readonly ConditionalPrice[] = Array.isArray(model.prices) ? model.prices : [{ prices: model.prices }];
  return prices.map(({ prices: price, constraint }, index) => {
    const isFree = Object.keys(price).length === 0 && (id.endsWith(':free') || freeModels.has(`${vendor}/${id}`));
    const tiers = translateRates(price, isFree);
    return {
      id,
      aliases: index === 0 ? aliases : [],
      tiers,
      max_output_tokens: tiers[0]?.rates.output === null ? 0 : (outputCaps[vendor]?.[id] ?? null),
      context_tokens: model.context_window ?? null,
      ...(hidesOutput(vendor, id) ? { hidden_output: true as const } : {}),
      ...translateConstraint(index === 0 ? undefined : constraint),
    };
  });
}

function translateConstraint(
  constraint: ConditionalPrice['constraint'],
): Pick<ModelPrice, 'valid_from_ms' | 'utc_window'> {
  if (constraint === undefined) return { valid_from_ms: null };
  if (constraint.type === 'start_date') return { valid_from_ms: Date.parse(constraint.start_date) };
  return {
    valid_from_ms: null,
    utc_window: { from_ms: timeOfDay(constraint.start_time), until_ms: timeOfDay(constraint.end_time) },
  };
}

/** `16:30:00Z` as ms after midnight UTC. */
function timeOfDay(time: string): number {
  const ms = Date.parse(`1970-01-01T${time}`);
  if (Number.isInteger(ms) && time.endsWith('Z')) return ms;
  throw new HocError({ code: 'internal', publicMessage: `a time of day is not in UTC: ${time}` });
}

function simulated(id: string, rates: Omit<PriceRates, 'cache_write'>): ModelPrice {
  return {
    id,
    aliases: [],
    tiers: [{ above_input_tokens: 0, rates: { ...rates, cache_write: null } }],
    max_output_tokens: 16_384,
    context_tokens: null,
    valid_from_ms: null,
  };
}

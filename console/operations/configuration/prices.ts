import { hidesOutput } from '../../../policy/pricing/index.ts';
import type { ModelPrice, PriceList, PriceRates } from '../../../storage/schema/snapshot.ts';
import type { PriceListConfiguration, PriceRatesConfiguration } from '../../contract/configuration-prices.ts';
import { parseInstant, parseUsd } from './amounts.ts';
import type { FieldPath, Report } from './source.ts';

type ModelConfiguration = PriceListConfiguration['models'][number];

/** Our rates, and the names that a file gives them. */
const optionalRates = [
  ['reasoning', 'reasoning'],
  ['request', 'request'],
  ['cache_write_1h', 'cacheWrite1h'],
  ['input_audio', 'inputAudio'],
  ['cached_audio', 'cachedAudio'],
  ['output_audio', 'outputAudio'],
  ['input_image', 'inputImage'],
  ['cached_image', 'cachedImage'],
  ['output_image', 'outputImage'],
] as const;

/**
 * The price lists of a tenant as proxies get them: names in lower case, US dollars per million as exact nano-USD per
 * million, entries of a model by the instant from which they hold, so that the newest of those in force counts.
 *
 * Expects a file that passed `checkPrices`. Whether a model may hide output follows from its name unless the file says.
 */
export function readPriceLists(lists: readonly PriceListConfiguration[]): readonly PriceList[] {
  return [...lists]
    .sort((a, b) => (a.list < b.list ? -1 : 1))
    .map(({ list, models }) => ({
      vendor: list,
      models: models.map((model) => readModel(list, model)).sort((a, b) => startOf(a) - startOf(b)),
    }));
}

/** Reports lists and entries that stand twice, tiers that do not ascend, and validity that ends before it begins. */
export function checkPrices(lists: readonly PriceListConfiguration[], path: FieldPath, report: Report): void {
  const names = new Set<string>();
  lists.forEach(({ list, models }, at) => {
    if (names.has(list)) report([...path, at, 'list'], `\`${list}\` stands twice; expected each once`);
    names.add(list);
    const entries = new Set<string>();
    models.forEach((model, index) => {
      const place = [...path, at, 'models', index];
      const entry = `${model.id.toLowerCase()} ${readInstant(model.validFrom) ?? ''}`;
      if (entries.has(entry)) report([...place, 'id'], 'This model stands twice from the same instant on');
      entries.add(entry);
      checkModel(model, place, report);
    });
  });
}

function checkModel(model: ModelConfiguration, path: FieldPath, report: Report): void {
  for (const field of ['validFrom', 'validUntil'] as const) {
    if (model[field] !== undefined && readInstant(model[field]) === null) {
      report([...path, field], 'Expected an instant that exists, such as 2027-01-31T12:00:00Z');
    }
  }
  const [from, until] = [readInstant(model.validFrom), readInstant(model.validUntil)];
  if (from !== null && until !== null && until <= from) {
    report([...path, 'validUntil'], 'Expected an instant after `validFrom`');
  }
  let previous = 0;
  (model.tiers ?? []).forEach(({ aboveInputTokens: above }, index) => {
    if (above <= previous) report([...path, 'tiers', index, 'aboveInputTokens'], 'Expected tiers that ascend');
    previous = above;
  });
}

function readModel(list: string, model: ModelConfiguration): ModelPrice {
  const id = model.id.toLowerCase();
  const until = readInstant(model.validUntil);
  const rates = readRates(model.usdPerMillion);
  const isHidden = model.hiddenOutput ?? hidesOutput(list, id);
  return {
    id,
    aliases: (model.aliases ?? []).map((alias) => alias.toLowerCase()),
    tiers: [
      { above_input_tokens: 0, rates },
      ...(model.tiers ?? []).map((tier) => ({
        above_input_tokens: tier.aboveInputTokens,
        rates: readRates(tier.usdPerMillion),
      })),
    ],
    max_output_tokens: model.maxOutputTokens ?? (rates.output === null ? 0 : null),
    context_tokens: model.contextTokens ?? null,
    ...(isHidden ? { hidden_output: true as const } : {}),
    valid_from_ms: readInstant(model.validFrom),
    ...(until === null ? {} : { valid_until_ms: until }),
  };
}

function readRates(usd: PriceRatesConfiguration): PriceRates {
  const own = optionalRates.flatMap(([name, field]) => {
    const amount = readRate(usd[field]);
    return amount === null ? [] : [[name, amount] as const];
  });
  return {
    input: readRate(usd.input),
    output: readRate(usd.output),
    cached_input: readRate(usd.cachedInput),
    cache_write: readRate(usd.cacheWrite),
    ...Object.fromEntries(own),
  };
}

/** US dollars with at most nine decimals are whole nano-USD. Amounts reach here as the digits of the file. */
function readRate(amount: string | number | undefined): string | null {
  return amount === undefined ? null : (parseUsd(String(amount))?.toString() ?? null);
}

function readInstant(text: string | undefined): number | null {
  return text === undefined ? null : parseInstant(text);
}

function startOf(price: ModelPrice): number {
  return price.valid_from_ms ?? Number.NEGATIVE_INFINITY;
}

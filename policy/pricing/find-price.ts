import { HocError } from '../../storage/schema/errors.ts';
import type { ModelPrice, PriceDocument, PriceList } from '../../storage/schema/snapshot.ts';
import { compilePatterns, isPattern, type MatchName } from './alias.ts';

const dayMs = 86_400_000;
/** Longer names are nobody's model; they cost no time to look up. */
const maxNameLength = 256;
const decimal = /^\d{1,18}$/;

interface Pattern {
  model: number;
  matches: MatchName;
}

interface CompiledList {
  /** All entries of each model, in list order. */
  entries: readonly (readonly ModelPrice[])[];
  ids: ReadonlyMap<string, number>;
  /** Exact aliases, to the first model that has them. */
  names: ReadonlyMap<string, number>;
  /** Patterns in list order. */
  patterns: readonly Pattern[];
  fallbacks: readonly string[];
}

export interface CompiledPrices {
  readonly source: string;
  readonly lists: ReadonlyMap<string, CompiledList>;
  /** Lists that are looked in first, model by model. */
  readonly own: ReadonlyMap<string, CompiledList>;
}

/**
 * Makes a price document searchable: 2 ms for the bundled 1,700 models once warm, 8 ms cold.
 * Throws `configuration_invalid` where an amount is not a decimal integer or a model has no tier from 0 upwards.
 */
export function compilePrices(document: PriceDocument): CompiledPrices {
  return { source: document.source, lists: compileLists(document.lists), own: new Map() };
}

/**
 * The same prices with a tenant's own in front: `findPrice` takes an entry of these that is valid at the instant, and goes
 * on to `prices` where there is none. Throws as `compilePrices` does.
 */
export function overlayPrices(prices: CompiledPrices, own: readonly PriceList[]): CompiledPrices {
  return { ...prices, own: compileLists(own) };
}

function compileLists(lists: readonly PriceList[]): ReadonlyMap<string, CompiledList> {
  return new Map(lists.map((list) => [list.vendor, compileList(list)]));
}

/**
 * The price of a model at an instant, or null where no list knows it: unknown is never free.
 *
 * Names are taken as genai-prices takes them: trimmed, in lower case; in the list by exact id, then by the first model with
 * a matching alias, then in the list's fallbacks; a name not found is looked up once more with `-20250101` written as
 * `-2025-01-01`. Of the entries of a model the last one that is valid at `atMs` counts, else its first. A tenant's own entry
 * counts only while it is valid; what it leaves out of caps, the price behind it says.
 */
export function findPrice(
  compiled: CompiledPrices,
  query: { list: string; model: string; atMs: number },
): ModelPrice | null {
  const name = query.model.toLowerCase().trim();
  if (name.length > maxNameLength) return null;
  const shared = findShared(compiled, { ...query, model: name });
  const own = findOwn(compiled, { ...query, model: name });
  if (own === null || shared === null) return own ?? shared;
  return {
    ...own,
    max_output_tokens: own.max_output_tokens ?? shared.max_output_tokens,
    context_tokens: own.context_tokens ?? shared.context_tokens,
  };
}

type Query = Parameters<typeof findPrice>[1];

function findOwn(compiled: CompiledPrices, { list, model: name, atMs }: Query): ModelPrice | null {
  const own = compiled.own.get(list);
  if (own === undefined) return null;
  const model = findModel(own, name) ?? findModel(own, dashDate(name));
  return (model === undefined ? undefined : own.entries[model]?.findLast((entry) => isValid(entry, atMs))) ?? null;
}

function findShared(compiled: CompiledPrices, { list: vendor, model: name, atMs }: Query): ModelPrice | null {
  const list = compiled.lists.get(vendor);
  if (list === undefined) return null;
  const entries = findEntries(compiled, list, name) ?? findEntries(compiled, list, dashDate(name));
  if (entries === null) return null;
  return entries.findLast((entry) => isValid(entry, atMs)) ?? entries[0] ?? null;
}

function findEntries(compiled: CompiledPrices, list: CompiledList, name: string): readonly ModelPrice[] | null {
  for (const candidate of [list, ...list.fallbacks.map((vendor) => compiled.lists.get(vendor))]) {
    const model = candidate === undefined ? undefined : findModel(candidate, name);
    if (candidate !== undefined && model !== undefined) return candidate.entries[model] ?? null;
  }
  return null;
}

function findModel(list: CompiledList, name: string): number | undefined {
  const byId = list.ids.get(name);
  if (byId !== undefined) return byId;
  const byName = list.names.get(name);
  for (const pattern of list.patterns) {
    if (byName !== undefined && pattern.model > byName) break;
    if (pattern.matches(name)) return pattern.model;
  }
  return byName;
}

function isValid(entry: ModelPrice, atMs: number): boolean {
  if (entry.valid_from_ms !== null && atMs < entry.valid_from_ms) return false;
  if (entry.valid_until_ms !== undefined && atMs >= entry.valid_until_ms) return false;
  if (entry.utc_window === undefined) return true;
  const { from_ms: from, until_ms: until } = entry.utc_window;
  const time = ((atMs % dayMs) + dayMs) % dayMs;
  return until < from ? time >= from || time < until : time >= from && time < until;
}

function dashDate(name: string): string {
  return name.replace(/-(20\d{2})(\d{2})(\d{2})(?=-|:|$)/g, (whole, year: string, month: string, day: string) => {
    const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
    const written = `${year}-${month}-${day}`;
    return date.toISOString().startsWith(written) ? `-${written}` : whole;
  });
}

function compileList(list: PriceList): CompiledList {
  const entries: ModelPrice[][] = [];
  const ids = new Map<string, number>();
  const names = new Map<string, number>();
  const patterns: Pattern[] = [];
  for (const price of list.models) {
    checkPrice(list.vendor, price);
    let model = ids.get(price.id);
    if (model === undefined) {
      model = entries.push([]) - 1;
      ids.set(price.id, model);
    }
    entries[model]?.push(price);
    const patterned: string[] = [];
    for (const alias of price.aliases) {
      if (isPattern(alias)) patterned.push(alias);
      else if (!names.has(alias)) names.set(alias, model);
    }
    if (patterned.length > 0) patterns.push({ model, matches: compilePatterns(patterned) });
  }
  patterns.sort((a, b) => a.model - b.model);
  return { entries, ids, names, patterns, fallbacks: list.fallbacks ?? [] };
}

function checkPrice(vendor: string, price: ModelPrice): void {
  let previous = -1;
  for (const { above_input_tokens: above, rates } of price.tiers) {
    if (previous < 0 ? above !== 0 : above <= previous) throw unusable(vendor, price, 'tiers start at 0 and ascend');
    previous = above;
    const figures: readonly (string | null)[] = Object.values(rates);
    for (const rate of figures) {
      const fits = rate === null || decimal.test(rate);
      if (!fits) throw unusable(vendor, price, 'a rate is a decimal integer of nano-USD per million');
    }
  }
  if (previous < 0) throw unusable(vendor, price, 'a price has at least one tier');
}

function unusable(vendor: string, price: ModelPrice, message: string): HocError {
  return new HocError({
    code: 'configuration_invalid',
    publicMessage: 'a price document cannot be used',
    findings: [{ file: null, line: null, field: `${vendor}.${price.id}`, message }],
  });
}

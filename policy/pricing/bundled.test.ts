import { calcPrice, type MatchLogic, waitForUpdate } from '@pydantic/genai-prices';
import fc from 'fast-check';
import t from 'tap';
import type { Usage } from '../../storage/schema/run.ts';
import { canonicalJson } from '../evidence/index.ts';
import { buildBundledPrices, bundledVendors } from './bundled.ts';
import { translateMatch } from './bundled-match.ts';
import { compilePrices, computeCost, findPrice } from './index.ts';
import { outputCaps } from './output-caps.ts';

const document = buildBundledPrices();
const compiled = compilePrices(document);
const providers = (await waitForUpdate()) ?? [];

/** Instants on both sides of every start date and time of day in the package. */
const instants = [
  '2024-01-01T00:00:00Z',
  '2025-06-15T12:00:00Z',
  '2026-08-16T23:59:59.999Z',
  '2026-08-17T00:00:00Z',
  '2026-11-22T15:00:00Z',
]
  .concat(
    ['00:29:59', '00:30:00', '02:00:00', '03:59:59', '04:00:00', '06:00:00', '10:00:00', '16:30:00'].map(
      (time) => `2026-11-21T${time}Z`,
    ),
  )
  .map((text) => new Date(text));

/** Names that a clause takes, and names just beside them. */
function namesOf(match: MatchLogic): string[] {
  return translateMatch(match).flatMap((alias) => {
    const digits = alias.replaceAll('#', '7');
    return [
      digits.replaceAll('*', ''),
      digits.replaceAll('*', '-x'),
      digits.replaceAll('*', 'Z9'),
      digits.slice(0, -1),
      `${digits}-tts`,
    ];
  });
}

/** Each list with each name that one of its own models takes. */
const ownNames = providers.flatMap((provider) =>
  provider.models.flatMap((model) => [model.id, ...namesOf(model.match)].map((name) => [provider.id, name] as const)),
);
const variant = fc.constantFrom(
  (name: string) => name,
  (name: string) => `${name}-20250131`,
  (name: string) => `${name}-20259931`,
  (name: string) => ` ${name.toUpperCase()} `,
);

const usages: fc.Arbitrary<Usage> = fc
  .tuple(fc.nat(300_000), fc.nat(100_000), fc.nat(100_000), fc.nat(100_000), fc.nat(100_000))
  .map(([fresh, cached, written, answer, reasoning]) => ({
    input_tokens: fresh + cached + written,
    output_tokens: answer + reasoning,
    cached_input_tokens: cached,
    cache_write_tokens: written,
    reasoning_tokens: reasoning,
  }));

/** Compares one lookup and cost; answers what differs, or null. */
function compare(vendor: string, name: string, at: Date, usage: Usage): string | null {
  const theirs = calcPrice(
    {
      input_tokens: usage.input_tokens ?? 0,
      output_tokens: usage.output_tokens ?? 0,
      cache_read_tokens: usage.cached_input_tokens ?? 0,
      cache_write_tokens: usage.cache_write_tokens ?? 0,
      output_reasoning_tokens: usage.reasoning_tokens ?? 0,
    },
    name,
    { providerId: vendor, timestamp: at },
  );
  const ours = findPrice(compiled, { list: vendor, model: name, atMs: at.getTime() });
  // Beyond the package, a model is found by its own id too (56 of theirs match only longer names).
  if (theirs === null) return ours === null || ours.id === name.toLowerCase().trim() ? null : `${ours.id}, not null`;
  if (ours?.id !== theirs.model.id.toLowerCase()) return `${ours?.id}, not ${theirs.model.id}`;
  const cost = computeCost(ours, usage);
  const { input_mtok: input, output_mtok: output } = theirs.model_price;
  // The package charges nothing for a class it has no price for; here that is an unknown price.
  if (cost === null) return input === undefined || output === undefined ? null : 'unpriced';
  const difference = Number(cost) - theirs.total_price * 1e9;
  // Rounded up once: at most 1 nano-USD, and half a nano-USD per million tokens where a rate itself had to be rounded.
  const slack = 1e-12 * Number(cost) + 0.5;
  return difference > -slack && difference < 1 + slack ? null : `${cost}, not ${theirs.total_price * 1e9}`;
}

t.test('every list of the package is bundled, and the source names its version', async (t) => {
  t.strictSame([...bundledVendors].sort(), providers.map((provider) => provider.id).sort());
  const path = import.meta.resolve('@pydantic/genai-prices');
  const { version } = (await import(new URL('../package.json', path).href, { with: { type: 'json' } })).default;
  t.equal(document.source, `@pydantic/genai-prices ${version}`);
});

t.test('every name the package knows finds the same model in its own list, at every instant', async (t) => {
  const usage = {
    input_tokens: 250_001,
    output_tokens: 1_003,
    cached_input_tokens: 7,
    cache_write_tokens: 11,
    reasoning_tokens: 13,
  };
  const differences: string[] = [];
  let compared = 0;
  for (const provider of providers) {
    for (const model of provider.models) {
      const times = Array.isArray(model.prices) ? instants : instants.slice(-1);
      for (const name of new Set([model.id, ...namesOf(model.match)])) {
        for (const at of times) {
          compared++;
          const difference = compare(provider.id, name, at, usage);
          if (difference !== null) differences.push(`${provider.id} ${name} ${at.toISOString()}: ${difference}`);
        }
      }
    }
  }
  t.strictSame(differences.slice(0, 10), []);
  t.ok(compared > 10_000, `${compared} lookups`);
});

t.test('any name in any list, at any usage, comes to the same model and cost as in the package', async (t) => {
  const own = fc.constantFrom(...ownNames);
  const anywhere = fc.tuple(fc.constantFrom(...bundledVendors), own).map(([list, [, name]]) => [list, name] as const);
  fc.assert(
    fc.property(
      fc.oneof(own, anywhere),
      variant,
      fc.constantFrom(...instants),
      usages,
      ([list, name], vary, at, usage) => {
        const difference = compare(list, vary(name), at, usage);
        if (difference !== null) throw new Error(`${list} ${vary(name)} ${at.toISOString()}: ${difference}`);
      },
    ),
    { numRuns: 8_000 },
  );
  t.pass('held');
});

t.test('fallback lists are used, and a list that does not exist prices nothing', async (t) => {
  const at = { atMs: Date.parse('2026-11-22') };
  t.match(findPrice(compiled, { list: 'azure', model: 'claude-sonnet-4-5', ...at }), { id: 'claude-sonnet-4-5' });
  t.equal(findPrice(compiled, { list: 'azure', model: 'my-deployment', ...at }), null);
  t.equal(findPrice(compiled, { list: 'nowhere', model: 'gpt-4o', ...at }), null);
  t.equal(findPrice(compiled, { list: '__proto__', model: 'constructor', ...at }), null);
  t.equal(findPrice(compiled, { list: 'openai', model: `gpt-4o${'-'.repeat(300)}`, ...at }), null);
});

t.test('a model without a token price is unpriced, never free, unless it is known to be given away', async (t) => {
  const usage = {
    input_tokens: 1,
    output_tokens: 1,
    cached_input_tokens: null,
    cache_write_tokens: null,
    reasoning_tokens: null,
  };
  const cost = (list: string, model: string) => {
    const price = findPrice(compiled, { list, model, atMs: 0 });
    return price === null ? 'unknown' : computeCost(price, usage);
  };
  t.equal(cost('openai', 'whisper-1'), null);
  t.equal(cost('cerebras', 'qwen-3-coder-480b'), null);
  t.equal(cost('openrouter', 'openai/gpt-oss-20b:free'), 0n);
  t.equal(cost('openai', 'moderation'), 0n);
  const free = document.lists.flatMap((list) =>
    list.models.filter((m) => m.tiers[0]?.rates.input === '0').map((m) => `${list.vendor}/${m.id}`),
  );
  t.ok(free.length < 200, `${free.length} free models`);
});

t.test('the simulator list has its two models at its stated prices', async (t) => {
  const usage = {
    input_tokens: 1_000_000,
    output_tokens: 1_000_000,
    cached_input_tokens: 0,
    cache_write_tokens: 0,
    reasoning_tokens: 0,
  };
  const small = findPrice(compiled, { list: 'simulator', model: 'sim-small', atMs: 0 });
  const large = findPrice(compiled, { list: 'simulator', model: 'sim-large', atMs: 0 });
  t.equal(small && computeCost(small, usage), 750_000_000n);
  t.equal(large && computeCost(large, usage), 12_500_000_000n);
  t.strictSame([small?.max_output_tokens, large?.max_output_tokens], [16_384, 16_384]);
});

t.test('two builds give the same bytes, lists sorted, and the document stays small', async (t) => {
  const bytes = canonicalJson(document);
  t.equal(canonicalJson(buildBundledPrices()), bytes);
  t.ok(bytes.length < 600_000, `${bytes.length} bytes`);
  t.strictSame(
    document.lists.map((list) => list.vendor),
    document.lists.map((list) => list.vendor).sort(),
  );
});

t.test('every output cap belongs to a bundled model and fits its context', async (t) => {
  for (const [vendor, caps] of Object.entries(outputCaps)) {
    for (const [id, cap] of Object.entries(caps)) {
      const price = findPrice(compiled, { list: vendor, model: id, atMs: 0 });
      t.match(price, { id, max_output_tokens: cap }, `${vendor}/${id}`);
      t.ok((price?.context_tokens ?? cap) >= cap, `${vendor}/${id} has ${price?.context_tokens}`);
    }
  }
});

import { calcPrice, type MatchLogic, waitForUpdate } from '@pydantic/genai-prices';
import fc from 'fast-check';
import t from 'tap';
import type { Usage } from '../../storage/schema/run.ts';
import { canonicalJson } from '../evidence/index.ts';
import { compilePattern } from './alias.ts';
import { buildBundledPrices } from './bundled.ts';
import { bundledLists, bundledVendors } from './bundled-lists.ts';
import { translateMatch } from './bundled-match.ts';
import { hiddenOutputFamilies } from './hidden-output.ts';
import { compilePrices, computeCost, findPrice, hidesOutput } from './index.ts';
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
  t.strictSame(
    bundledLists,
    document.lists.map((list) => list.vendor),
  );
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
  t.equal(large && computeCost(large, { ...usage, cached_input_tokens: 1_000_000 }), 11_250_000_000n);
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

t.test('models that think unasked are marked, the chat models beside them are not', async (t) => {
  const hidden = (list: string, model: string) =>
    findPrice(compiled, { list, model, atMs: Date.parse('2026-11-01') })?.hidden_output ?? false;
  for (const [list, model] of [
    ['openai', 'o3-mini'],
    ['openai', 'gpt-5'],
    ['openai', 'gpt-5-mini-2025-08-07'],
    ['azure', 'gpt-5-nano'],
    ['openrouter', 'openai/gpt-5-mini'],
    ['google', 'gemini-2.5-pro'],
    ['openrouter', 'google/gemini-2.5-flash'],
    ['x-ai', 'grok-4'],
    ['anthropic', 'claude-sonnet-5'],
    ['groq', 'meta-llama/llama-4-maverick-17b-128e-instruct'],
    ['perplexity', 'sonar-deep-research'],
  ] as const) {
    t.equal(hidden(list, model), true, `${list} ${model}`);
  }
  for (const [list, model] of [
    ['openai', 'gpt-4o'],
    ['openai', 'gpt-4.1-mini'],
    ['anthropic', 'claude-sonnet-4-5'],
    ['anthropic', 'claude-haiku-4-5'],
    ['deepseek', 'deepseek-chat'],
    ['mistral', 'mistral-large-latest'],
    ['google', 'gemini-2.0-flash'],
    ['groq', 'llama-3.3-70b-versatile'],
    ['simulator', 'sim-small'],
  ] as const) {
    t.equal(hidden(list, model), false, `${list} ${model}`);
  }
  t.equal(hidesOutput('custom', 'Google/Gemini-3.6-flash'), true, 'by its name alone');
  const unused = hiddenOutputFamilies.flatMap(({ names, lists }) =>
    names.filter((name) => {
      if (name.startsWith('!')) return false;
      const matches = compilePattern(name);
      return !document.lists.some(
        (list) =>
          (lists?.includes(list.vendor) ?? true) &&
          list.models.some((model) => matches(model.id.slice(model.id.lastIndexOf('/') + 1))),
      );
    }),
  );
  t.strictSame(
    unused.sort(),
    ['*claude-haiku-5*', '*claude-mythos*', '*grok-5*', 'computer-use-*'],
    'no typing errors',
  );
});

t.test('audio and image prices of the package are bundled, and cost what it says', async (t) => {
  let compared = 0;
  const at = new Date('2026-11-01T12:00:00Z');
  for (const provider of providers) {
    for (const model of provider.models) {
      const price = findPrice(compiled, { list: provider.id, model: model.id, atMs: at.getTime() });
      const rates = price?.tiers[0]?.rates;
      if (price === null || rates === undefined || rates.input === null || rates.output === null) continue;
      const usage = {
        input_tokens: 1_000,
        output_tokens: 1_000,
        cached_input_tokens: rates.cached_input === null ? 0 : 100,
        cache_write_tokens: 0,
        reasoning_tokens: 0,
        input_audio_tokens: rates.input_audio === undefined ? 0 : 300,
        cached_audio_tokens: rates.cached_audio === undefined || rates.cached_input === null ? 0 : 40,
        output_audio_tokens: rates.output_audio === undefined ? 0 : 500,
        input_image_tokens: rates.input_image === undefined ? 0 : 200,
        output_image_tokens: rates.output_image === undefined ? 0 : 100,
      };
      const media = usage.input_audio_tokens + usage.output_audio_tokens + usage.input_image_tokens;
      if (media + usage.output_image_tokens === 0) continue;
      const theirs = calcPrice(
        {
          input_tokens: 1_000,
          output_tokens: 1_000,
          cache_read_tokens: usage.cached_input_tokens,
          input_audio_tokens: usage.input_audio_tokens,
          cache_audio_read_tokens: usage.cached_audio_tokens,
          cache_image_read_tokens: 0,
          output_audio_tokens: usage.output_audio_tokens,
          input_image_tokens: usage.input_image_tokens,
          output_image_tokens: usage.output_image_tokens,
        } as Parameters<typeof calcPrice>[0],
        model.id,
        { providerId: provider.id, timestamp: at },
      );
      if (theirs === null) continue;
      compared++;
      const difference = Number(computeCost(price, usage)) - theirs.total_price * 1e9;
      if (difference < -1 || difference > 1) t.fail(`${provider.id} ${model.id}: off by ${difference} nano-USD`);
    }
  }
  t.ok(compared > 15, `${compared} models`);
});

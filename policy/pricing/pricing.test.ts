import fc from 'fast-check';
import t from 'tap';
import { noUsage, type Usage } from '../../storage/schema/run.ts';
import type { ModelPrice, PriceDocument, PriceRates } from '../../storage/schema/snapshot.ts';
import { compilePattern } from './alias.ts';
import { compilePrices, computeCost, computeWorstCase, findPrice } from './index.ts';

const rates = (input: string | null, output: string | null, more: Partial<PriceRates> = {}): PriceRates => ({
  input,
  output,
  cached_input: null,
  cache_write: null,
  ...more,
});

function modelOf(tiers: readonly PriceRates[] | PriceRates, fields: Partial<ModelPrice> = {}): ModelPrice {
  const list = 'input' in tiers ? [tiers] : tiers;
  return {
    id: 'm',
    aliases: [],
    tiers: list.map((tier, i) => ({ above_input_tokens: i * 1_000, rates: tier })),
    max_output_tokens: null,
    context_tokens: null,
    valid_from_ms: null,
    ...fields,
  };
}

function documentOf(models: readonly ModelPrice[], fallbacks: readonly string[] = []): PriceDocument {
  const other = { vendor: 'other', models: [modelOf(rates('9', '9'), { id: 'elsewhere' })] };
  return { v: 1, kind: 'prices', source: 'test', lists: [{ vendor: 'list', models, fallbacks }, other] };
}

const usageOf = (fields: Partial<Usage>): Usage => ({ ...noUsage, ...fields });
const find = (models: readonly ModelPrice[], model: string, atMs = 0) =>
  findPrice(compilePrices(documentOf(models, ['other'])), { list: 'list', model, atMs });

t.test(
  'cached and cache-write tokens are part of the input, reasoning of the output; nothing counts twice',
  async (t) => {
    const usage = usageOf({
      input_tokens: 1_000,
      output_tokens: 500,
      cached_input_tokens: 300,
      cache_write_tokens: 200,
      reasoning_tokens: 100,
    });
    const plain = modelOf(rates('1000000000', '2000000000'));
    t.equal(computeCost(plain, usage), 2_000_000n);
    const split = modelOf(
      rates('1000000000', '2000000000', {
        cached_input: '100000000',
        cache_write: '1250000000',
        reasoning: '4000000000',
      }),
    );
    t.equal(computeCost(split, usage), 500_000n + 30_000n + 250_000n + 800_000n + 400_000n);
    const fee = modelOf(rates('0', '0', { request: '5000000000000' }));
    t.equal(computeCost(fee, usage), 5_000_000n);
  },
);

t.test('a cost is rounded up once for the whole call', async (t) => {
  const price = modelOf(rates('1', '1'));
  t.equal(computeCost(price, usageOf({ input_tokens: 1, output_tokens: 1 })), 1n);
  t.equal(computeCost(price, usageOf({ input_tokens: 500_000, output_tokens: 500_000 })), 1n);
  t.equal(computeCost(price, usageOf({ input_tokens: 500_000, output_tokens: 500_001 })), 2n);
  t.equal(computeCost(price, usageOf({ input_tokens: 0, output_tokens: 0 })), 0n);
});

t.test('the tier is that of the whole input, and applies from one token above its threshold', async (t) => {
  const price = modelOf([rates('1000000', '1000000'), rates('2000000', '3000000')]);
  t.equal(computeCost(price, usageOf({ input_tokens: 1_000, output_tokens: 10 })), 1_010n);
  t.equal(computeCost(price, usageOf({ input_tokens: 1_001, output_tokens: 10 })), 2_032n);
});

t.test('silent usage and classes without a price are unknown, never free', async (t) => {
  const price = modelOf(rates('1000000', null));
  t.equal(computeCost(price, noUsage), null);
  t.equal(computeCost(price, usageOf({ input_tokens: 5 })), 5n);
  t.equal(computeCost(price, usageOf({ input_tokens: 5, output_tokens: 1 })), null);
  t.equal(computeCost(modelOf(rates(null, null)), usageOf({ input_tokens: 0 })), null);
});

t.test('negative, fractional and inconsistent counts never make a cost negative or throw', async (t) => {
  const price = modelOf(rates('1000000', '1000000'));
  t.equal(computeCost(price, usageOf({ input_tokens: -5, output_tokens: 1.5 })), 2n);
  t.equal(computeCost(price, usageOf({ input_tokens: 1, cached_input_tokens: 5, cache_write_tokens: 5 })), 10n);
  t.equal(computeCost(price, usageOf({ input_tokens: Number.NaN, output_tokens: 1, reasoning_tokens: 7 })), 7n);
  t.equal(computeCost(price, usageOf({ input_tokens: Number.POSITIVE_INFINITY })), 9_007_199_254_740_991n);
});

const rate = fc.option(fc.bigInt(0n, 200_000_000_000n).map(String), { freq: 9 });
const optionalNames = [
  'reasoning',
  'request',
  'input_audio',
  'cached_audio',
  'output_audio',
  'input_image',
  'cached_image',
  'output_image',
] as const;
const anyRates: fc.Arbitrary<PriceRates> = fc
  .tuple(
    fc.record({ input: rate, output: rate, cached_input: rate, cache_write: rate }),
    fc.array(fc.option(fc.bigInt(0n, 200_000_000_000n).map(String), { freq: 2 }), { minLength: 8, maxLength: 8 }),
  )
  .map(([base, others]) => {
    const own = optionalNames.flatMap((name, i) => (others[i] == null ? [] : [[name, others[i]] as const]));
    return { ...base, ...Object.fromEntries(own) };
  });
const cap = fc.option(fc.nat(20_000));
const anyPrice = fc
  .tuple(fc.array(anyRates, { minLength: 1, maxLength: 4 }), cap, cap)
  .map(([tiers, max, context]) => modelOf(tiers, { max_output_tokens: max, context_tokens: context }));
const share = fc.double({ min: 0, max: 1, noNaN: true });
const shares = fc.array(share, { minLength: 10, maxLength: 10 });

/** Any usage within bounds: all classes of an input overlap as they may, those of an output do not. */
function usageWithin(inputTokens: number, outputTokens: number, parts: readonly number[]): Usage {
  const part = (whole: number, index: number) => Math.floor(whole * (parts[index] ?? 0));
  const input = part(inputTokens, 0);
  const output = part(outputTokens, 1);
  const cached = part(input, 2);
  const audio = part(input, 3);
  const reasoning = part(output, 4);
  const spoken = part(output - reasoning, 5);
  return {
    input_tokens: input,
    output_tokens: output,
    cached_input_tokens: cached,
    cache_write_tokens: part(input - cached, 6),
    cache_write_1h_tokens: part(part(input - cached, 6), 9),
    reasoning_tokens: reasoning,
    input_audio_tokens: audio,
    cached_audio_tokens: part(Math.min(cached, audio), 7),
    output_audio_tokens: spoken,
    input_image_tokens: part(input - audio, 8),
    output_image_tokens: part(output - reasoning - spoken, 9),
  };
}

t.test('the worst case is never below the cost of any usage within its bounds, of all classes and tiers', async (t) => {
  let compared = 0;
  const bound = fc.oneof(fc.nat(5_000), fc.maxSafeNat(), fc.constantFrom(1e14, 2 ** 53 - 1));
  fc.assert(
    fc.property(anyPrice, bound, fc.option(bound), shares, (price, inputTokens, outputTokens, parts) => {
      const worst = computeWorstCase(price, { inputTokens, outputTokens });
      const usage = usageWithin(inputTokens, worst.outputTokens ?? 0, parts);
      const cost = computeCost(price, usage);
      if (cost === null || worst.nanoUsd === null) return true;
      compared++;
      return worst.nanoUsd >= cost;
    }),
    { numRuns: 8_000 },
  );
  t.ok(compared > 3_000, `${compared} comparisons`);
});

t.test(
  'a cache write that is kept for an hour has its own price, and bounds a request only where it can ask for one',
  async (t) => {
    const price = modelOf(rates('100000000', '400000000', { cache_write: '125000000', cache_write_1h: '200000000' }));
    const used = { input_tokens: 100, output_tokens: 0, cache_write_tokens: 80, cache_write_1h_tokens: 30 };
    t.equal(computeCost(price, { ...noUsage, ...used }), 20n * 100n + 50n * 125n + 30n * 200n);
    const bounds = { inputTokens: 1_000_000, outputTokens: 0 };
    t.equal(computeWorstCase(price, bounds).nanoUsd, 200_000_000n);
    t.equal(computeWorstCase(price, { ...bounds, longCache: false }).nanoUsd, 125_000_000n);
  },
);

t.test('an input of text alone is bounded without the prices of speech and images, and the bound holds', async (t) => {
  const price = modelOf(rates('100000000', '400000000', { input_audio: '700000000', cached_image: '800000000' }));
  const bounds = { inputTokens: 1_000_000, outputTokens: 0 };
  t.equal(computeWorstCase(price, { ...bounds, inputMedia: false }).nanoUsd, 100_000_000n);
  t.equal(computeWorstCase(price, bounds).nanoUsd, 800_000_000n);
  fc.assert(
    fc.property(anyPrice, fc.nat(5_000), cap, shares, (one, inputTokens, outputTokens, parts) => {
      const worst = computeWorstCase(one, { inputTokens, outputTokens, inputMedia: false });
      const textOnly = parts.map((part, index) => ([3, 7, 8].includes(index) ? 0 : part));
      const cost = computeCost(one, usageWithin(inputTokens, worst.outputTokens ?? 0, textOnly));
      return cost === null || worst.nanoUsd === null || worst.nanoUsd >= cost;
    }),
    { numRuns: 2_000 },
  );
});

t.test(
  'audio and images are part of their whole: each token counts once, at the dearest class it may belong to',
  async (t) => {
    const price = modelOf(
      rates('1000000', '10000000', {
        cached_input: '100000',
        cache_write: '2000000',
        input_audio: '40000000',
        cached_audio: '3000000',
        output_audio: '80000000',
        input_image: '5000000',
        output_image: '30000000',
      }),
    );
    const cost = (fields: Partial<Usage>) => computeCost(price, usageOf(fields));
    t.equal(cost({ input_tokens: 100, input_audio_tokens: 40 }), 60n + 40n * 40n);
    t.equal(cost({ input_tokens: 100, input_audio_tokens: 100 }), 4_000n);
    const cached = { input_tokens: 100, cached_input_tokens: 60, input_audio_tokens: 50 };
    t.equal(cost({ ...cached, cached_audio_tokens: 20 }), 10n + 30n * 40n + 4n + 20n * 3n);
    t.equal(cost(cached), 40n * 40n + 5n + 10n * 3n, 'what has no room beside the cached tokens was cached');
    t.equal(cost({ input_tokens: 100, input_image_tokens: 30, input_audio_tokens: 10 }), 60n + 150n + 400n);
    t.equal(
      cost({ input_tokens: 100, cache_write_tokens: 90, input_audio_tokens: 30 }),
      30n * 40n + 70n * 2n,
      'overlap',
    );
    t.equal(cost({ output_tokens: 100, output_audio_tokens: 70, output_image_tokens: 10 }), 200n + 5_600n + 300n);
    t.equal(cost({ output_tokens: 5, output_audio_tokens: 7 }), 560n, 'parts larger than their whole raise it');
    const textOnly = modelOf(rates('1000000', '1000000'));
    const spoken = usageOf({ input_tokens: 10, output_tokens: 10, input_audio_tokens: 9, output_audio_tokens: 9 });
    t.equal(computeCost(textOnly, spoken), 20n, 'without prices of their own they cost what text costs');
  },
);

t.test('costs are exact across 1e14 and 2^53', async (t) => {
  const price = modelOf(rates('1000001', '999999'));
  const tokens = 2 ** 53 - 1;
  t.equal(computeCost(price, usageOf({ input_tokens: tokens, output_tokens: tokens })), 2n * BigInt(tokens));
  t.equal(
    computeCost(price, usageOf({ input_tokens: 1e14 + 1 })),
    ((10n ** 14n + 1n) * 1_000_001n + 999_999n) / 1_000_000n,
  );
});

t.test('a larger input that is cheaper does not lower the worst case', async (t) => {
  const price = modelOf([rates('1000000', '1000000'), rates('1000', '1000')]);
  t.equal(computeWorstCase(price, { inputTokens: 1_001, outputTokens: 10 }).nanoUsd, 1_010n);
});

t.test('output is always bounded: by the request, the model, its context, or 131,072 tokens an answer', async (t) => {
  const bound = (fields: Partial<ModelPrice>, outputTokens: number | null, answers = 1) =>
    computeWorstCase(modelOf(rates('0', '1000000'), fields), { inputTokens: 1, outputTokens, answers });
  t.strictSame(bound({ max_output_tokens: 100 }, 50), { nanoUsd: 50n, outputTokens: 50 });
  t.strictSame(bound({ max_output_tokens: 100 }, 500), { nanoUsd: 100n, outputTokens: 100 });
  t.strictSame(bound({ max_output_tokens: 100, context_tokens: 7 }, null), { nanoUsd: 100n, outputTokens: 100 });
  t.strictSame(bound({ context_tokens: 70 }, null), { nanoUsd: 70n, outputTokens: 70 });
  t.strictSame(bound({}, null), { nanoUsd: 131_072n, outputTokens: 131_072 });
  t.strictSame(bound({}, 5_000_000), { nanoUsd: 5_000_000n, outputTokens: 5_000_000 });
  t.strictSame(bound({ max_output_tokens: 100 }, 50, 3), { nanoUsd: 150n, outputTokens: 150 });
  t.strictSame(computeWorstCase(modelOf(rates(null, null)), { inputTokens: 1, outputTokens: 1 }).nanoUsd, null);
});

t.test(
  'an exact id wins over any alias, then the first model with a matching alias, then a fallback list',
  async (t) => {
    const models = [
      modelOf(rates('1', '1'), { id: 'wide', aliases: ['gpt-*', '!gpt-*-tts'] }),
      modelOf(rates('2', '2'), { id: 'gpt-4o', aliases: ['gpt-4o-*', 'four-o'] }),
      modelOf(rates('3', '3'), { id: 'late', aliases: ['four-o', 'gpt-late', 'date-####-##-##'] }),
    ];
    const ids = [
      'gpt-4o',
      'gpt-4o-mini',
      'four-o',
      ' FOUR-O ',
      'wide',
      'gpt-late',
      'gpt-9-tts',
      'date-2025-01-31',
      'date-20250131',
      'elsewhere',
      'x',
    ];
    const found = ids.map((name) => find(models, name)?.id ?? null);
    t.strictSame(found, [
      'gpt-4o',
      'wide',
      'gpt-4o',
      'gpt-4o',
      'wide',
      'wide',
      null,
      'late',
      'late',
      'elsewhere',
      null,
    ]);
  },
);

t.test('of the entries of a model the last that is valid at the instant counts, else the first', async (t) => {
  const at = Date.parse('2026-08-17');
  const night = { utc_window: { from_ms: 20 * 3_600_000, until_ms: 4 * 3_600_000 } };
  const models = [
    modelOf(rates('1', '1'), { valid_from_ms: null }),
    modelOf(rates('2', '2'), { valid_from_ms: at }),
    modelOf(rates('3', '3'), { valid_from_ms: at + 86_400_000, ...night }),
  ];
  const input = (atMs: number) => find(models, 'm', atMs)?.tiers[0]?.rates.input;
  const day = at + 86_400_000;
  t.strictSame([at - 1, at, day, day + 4 * 3_600_000, day + 20 * 3_600_000, -1].map(input), [
    '1',
    '2',
    '3',
    '2',
    '3',
    '1',
  ]);
  const future = [modelOf(rates('7', '7'), { valid_from_ms: at })];
  t.equal(find(future, 'm', at - 1)?.tiers[0]?.rates.input, '7');
});

t.test('a document with a float, a missing tier or unsorted tiers is refused', async (t) => {
  const tier = { above_input_tokens: 0, rates: rates('1', '1') };
  const wrong = [
    modelOf(rates('0.5', '1')),
    modelOf(rates('-1', '1')),
    modelOf(rates('1', '1', { request: '1e3' })),
    { ...modelOf(rates('1', '1')), tiers: [] },
    { ...modelOf(rates('1', '1')), tiers: [{ ...tier, above_input_tokens: 5 }] },
    { ...modelOf(rates('1', '1')), tiers: [tier, tier] },
  ];
  for (const price of wrong) {
    t.throws(() => compilePrices(documentOf([price])), {
      code: 'configuration_invalid',
      findings: [{ field: 'list.m' }],
    });
  }
});

t.test('a pattern means what the regular expression of its parts means', async (t) => {
  const part = fc.constantFrom('*', '#', 'a', 'b', '-', '1', '.');
  const pattern = fc.array(part, { minLength: 1, maxLength: 8 }).map((parts) => parts.join(''));
  const name = fc
    .array(fc.constantFrom('a', 'b', '-', '1', '7', '.'), { maxLength: 10 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(pattern, name, (text, candidate) => {
      const regex = new RegExp(`^${text.replaceAll('.', '\\.').replaceAll('#', '[0-9]').replace(/\*+/g, '.*')}$`);
      return compilePattern(text)(candidate) === regex.test(candidate);
    }),
    { numRuns: 5_000 },
  );
  t.pass('held');
});

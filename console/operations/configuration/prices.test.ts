import t from 'tap';
import { compilePrices, computeCost, findPrice, overlayPrices } from '../../../policy/pricing/index.ts';
import { noUsage } from '../../../storage/schema/run.ts';
import { checkConfiguration } from './check.ts';
import { readTenantSettings } from './tenant-settings.ts';

function check(prices: string) {
  const text = `tenants:\n  - slug: acme\n    prices:\n${prices}`;
  return checkConfiguration({ file: 'hoc.yaml', text, secrets: new Map(), secretsMustExist: false });
}

/** The price lists of a good file as proxies get them. */
function read(prices: string) {
  const checked = check(prices);
  if (!checked.ok) throw new Error(JSON.stringify(checked.findings));
  const [tenant] = checked.configuration.tenants;
  if (tenant === undefined) throw new Error('no tenant');
  return readTenantSettings(tenant).prices ?? [];
}

function faults(prices: string): string[] {
  const checked = check(prices);
  return checked.ok ? [] : checked.findings.map(({ line, field }) => `${line} ${field}`);
}

const full = `      - list: openai
        models:
          - id: GPT-4o
            aliases: [gpt-4o-*, '!gpt-4o-mini*']
            validFrom: 2026-06-01
            validUntil: 2026-07-01T00:00:00Z
            maxOutputTokens: 16384
            usdPerMillion: { input: 0.1, output: "10.000000001", cachedInput: 0, inputAudio: 40 }
            tiers: [{ aboveInputTokens: 200000, usdPerMillion: { input: 0.2, output: 20 } }]
          - id: gpt-4o
            usdPerMillion: { input: 0.3, output: 3 }
`;

t.test('prices are read exactly, by class, tier and validity, oldest first', async (t) => {
  t.strictSame(read(full), [
    {
      vendor: 'openai',
      models: [
        {
          id: 'gpt-4o',
          aliases: [],
          tiers: [
            {
              above_input_tokens: 0,
              rates: { input: '300000000', output: '3000000000', cached_input: null, cache_write: null },
            },
          ],
          max_output_tokens: null,
          context_tokens: null,
          valid_from_ms: null,
        },
        {
          id: 'gpt-4o',
          aliases: ['gpt-4o-*', '!gpt-4o-mini*'],
          tiers: [
            {
              above_input_tokens: 0,
              rates: {
                input: '100000000',
                output: '10000000001',
                cached_input: '0',
                cache_write: null,
                input_audio: '40000000000',
              },
            },
            {
              above_input_tokens: 200_000,
              rates: { input: '200000000', output: '20000000000', cached_input: null, cache_write: null },
            },
          ],
          max_output_tokens: 16_384,
          context_tokens: null,
          valid_from_ms: Date.parse('2026-06-01'),
          valid_until_ms: Date.parse('2026-07-01'),
        },
      ],
    },
  ]);
});

t.test('a price that no float holds is kept to the last digit', async (t) => {
  const [list] = read('      - { list: a, models: [{ id: m, usdPerMillion: { input: 1234567.123456789 } }] }\n');
  t.equal(list?.models[0]?.tiers[0]?.rates.input, '1234567123456789');
  t.equal(list?.models[0]?.max_output_tokens, 0, 'a model without an output price has no output');
});

t.test('whether a model may hide output follows from its name unless the file says', async (t) => {
  const hidden = (model: string) => {
    const [list] = read(`      - { list: mine, models: [{ ${model}, usdPerMillion: { input: 1, output: 1 } }] }\n`);
    return list?.models[0]?.hidden_output ?? false;
  };
  t.equal(hidden('id: gpt-5-mini'), true);
  t.equal(hidden('id: gpt-5-mini, hiddenOutput: false'), false);
  t.equal(hidden('id: llama'), false);
  t.equal(hidden('id: llama, hiddenOutput: true'), true);
});

t.test('what cannot be a price is named with its place', async (t) => {
  const model = (fields: string) => `      - { list: a, models: [{ ${fields} }] }\n`;
  const price = 'usdPerMillion: { input: 1, output: 1 }';
  const place = '4 tenants[0].prices[0].models[0]';
  t.strictSame(faults(model('id: m')), [`${place}.usdPerMillion`]);
  t.strictSame(faults(model('id: m, usdPerMillion: { output: 1 }')), [`${place}.usdPerMillion.input`]);
  t.strictSame(faults(model('id: m, usdPerMillion: { input: -1 }')), [`${place}.usdPerMillion.input`]);
  t.strictSame(faults(model('id: m, usdPerMillion: { input: 1e-3 }')), [`${place}.usdPerMillion.input`]);
  t.strictSame(faults(model('id: m, usdPerMillion: { input: 0.0000000001 }')), [`${place}.usdPerMillion.input`]);
  t.strictSame(faults(model('id: m, usdPerMillion: { input: 1, audio: 2 }')), [`${place}.usdPerMillion.audio`]);
  t.strictSame(faults(model(`id: "a*b", ${price}`)), [`${place}.id`]);
  t.strictSame(faults(model(`id: m, validFrom: 2026-02-30, ${price}`)), [`${place}.validFrom`]);
  t.strictSame(faults(model(`id: m, validFrom: 2026-02-02, validUntil: 2026-02-02, ${price}`)), [
    `${place}.validUntil`,
  ]);
  const tiers = (one: number, two: number) =>
    `id: m, ${price}, tiers: [{ aboveInputTokens: ${one}, ${price} }, { aboveInputTokens: ${two}, ${price} }]`;
  t.strictSame(faults(model(tiers(1, 2))), []);
  t.strictSame(faults(model(tiers(2, 2))), [`${place}.tiers[1].aboveInputTokens`]);
  t.strictSame(faults(`      - { list: a, models: [{ id: m, ${price} }, { id: M, ${price} }] }\n`), [
    '4 tenants[0].prices[0].models[1].id',
  ]);
  t.strictSame(faults('      - { list: a, models: [] }\n      - { list: a, models: [] }\n'), [
    '5 tenants[0].prices[1].list',
  ]);
});

t.test('a tenant pays its own price while it is valid, and the shared one else', async (t) => {
  const rates = { input: '1000000000', output: '1000000000', cached_input: null, cache_write: null };
  const tiers = [{ above_input_tokens: 0, rates }];
  const model = { id: 'gpt-4o', aliases: ['4o'], tiers, max_output_tokens: 99, context_tokens: 7, valid_from_ms: null };
  const other = { ...model, id: 'other', aliases: [] };
  const lists = [{ vendor: 'openai', models: [model, other] }];
  const shared = compilePrices({ v: 1, kind: 'prices', source: 'test', lists });
  const prices = overlayPrices(shared, read(full.replace(/ {10}- id: gpt-4o\n.*\n/, '')));
  const usage = { ...noUsage, input_tokens: 1_000_000, output_tokens: 0 };
  const cost = (name: string, at: string, list = 'openai') => {
    const price = findPrice(prices, { list, model: name, atMs: Date.parse(at) });
    return price === null ? null : computeCost(price, usage);
  };
  t.equal(cost('gpt-4o', '2026-05-31T23:59:59Z'), 1_000_000_000n);
  t.equal(cost('gpt-4o', '2026-06-01'), 200_000_000n, 'from its first moment on, in its own tier');
  t.equal(cost('gpt-4o-2024-11-20', '2026-06-15'), 200_000_000n, 'also by an alias');
  t.equal(cost('gpt-4o', '2026-07-01'), 1_000_000_000n, 'until it ends');
  t.equal(cost('other', '2026-06-15'), 1_000_000_000n, 'model by model');
  t.equal(cost('gpt-4o', '2026-06-15', 'azure'), null, 'and list by list');
  const price = findPrice(prices, { list: 'openai', model: 'gpt-4o', atMs: Date.parse('2026-06-15') });
  t.match(price, { max_output_tokens: 16_384, context_tokens: 7 }, 'a cap that it leaves out is the shared one');
  t.equal(findPrice(shared, { list: 'openai', model: 'gpt-4o', atMs: 0 })?.max_output_tokens, 99);
});

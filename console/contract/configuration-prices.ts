import { type Static, Type } from 'typebox';
import { instant, priceListName, strict, usd } from './configuration-parts.ts';

const rate = Type.Optional(usd);
const tokenCount = Type.Integer({
  minimum: 0,
  maximum: 1_000_000_000,
  description: 'a whole number of tokens from 0 to 1000000000',
});

const modelName = Type.String({
  pattern: '^[^\\s*#!][^\\s*#]{0,255}$',
  description: 'the name of a model, at most 256 characters without spaces, `*` and `#`',
});

const rates = Type.Object(
  {
    input: usd,
    output: rate,
    cachedInput: rate,
    cacheWrite: rate,
    cacheWrite1h: rate,
    reasoning: rate,
    request: rate,
    inputAudio: rate,
    cachedAudio: rate,
    outputAudio: rate,
    inputImage: rate,
    cachedImage: rate,
    outputImage: rate,
  },
  {
    ...strict,
    description:
      'US dollars per million tokens (`request`: per million requests) by class; a class that is absent costs what includes it',
  },
);

const tier = Type.Object(
  {
    aboveInputTokens: Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      description: 'a whole number of tokens from 1 to 1000000000',
    }),
    usdPerMillion: rates,
  },
  strict,
);

const model = Type.Object(
  {
    id: modelName,
    aliases: Type.Optional(
      Type.Array(Type.String({ pattern: '^[^\\s]{1,256}$', description: 'a name or a pattern, without spaces' }), {
        maxItems: 200,
        description: 'a list of names, or patterns of `*` (anything), `#` (a digit) and a leading `!` (not)',
      }),
    ),
    validFrom: Type.Optional(instant),
    validUntil: Type.Optional(instant),
    usdPerMillion: rates,
    tiers: Type.Optional(Type.Array(tier, { maxItems: 20, description: 'a list of tiers' })),
    maxOutputTokens: Type.Optional(tokenCount),
    contextTokens: Type.Optional(tokenCount),
    hiddenOutput: Type.Optional(Type.Boolean({ description: '`true` or `false`' })),
  },
  strict,
);

/** A tenant's own prices: looked in before the bundled ones, for the list of the same name. */
export const priceList = Type.Object(
  { list: priceListName, models: Type.Array(model, { maxItems: 5_000, description: 'a list of models' }) },
  strict,
);

export type PriceListConfiguration = Static<typeof priceList>;
export type PriceRatesConfiguration = Static<typeof rates>;

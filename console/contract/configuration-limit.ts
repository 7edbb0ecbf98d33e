import { Type } from 'typebox';
import { identifier, instant, scope, shortText, strict, usd } from './configuration-parts.ts';

const mostCounted = 9_000_000_000_000_000;

const counted = Type.Integer({
  minimum: 1,
  maximum: mostCounted,
  description: `a whole number from 1 to ${mostCounted}`,
});

const tokens = Type.Integer({
  minimum: 1,
  maximum: mostCounted,
  description: `a whole number of tokens from 1 to ${mostCounted}`,
});

const milliseconds = Type.Integer({
  minimum: 1,
  maximum: 604_800_000,
  description: 'milliseconds, 1 to 604800000 (a week)',
});

/** What a run takes where its facts do not bound it; which of the two fits is the limit's kind. */
export const unbounded = Type.Union(
  [
    Type.Literal('refuse'),
    Type.Object(
      { ceilingUsd: Type.Optional(usd), ceilingTokens: Type.Optional(tokens) },
      { ...strict, minProperties: 1 },
    ),
  ],
  { description: '`refuse`, { ceilingUsd: "<US dollars>" } or { ceilingTokens: <tokens> }' },
);

/** What a run takes whose price is not known. */
export const unpriced = Type.Union([Type.Literal('refuse'), Type.Object({ ceilingUsd: usd }, strict)], {
  description: '`refuse`, or { ceilingUsd: "<US dollars>" }',
});

export const whenRedisIsDown = Type.Union([Type.Literal('refuse'), Type.Literal('allow'), Type.Literal('local')], {
  description: '`refuse`, `allow` or `local`',
});

/** The ceilings of which a limit or an override takes the one that fits the kind. */
const ceilings = {
  ceiling: Type.Optional(counted),
  ceilingUsd: Type.Optional(usd),
  ceilingTokens: Type.Optional(tokens),
  ceilingMs: Type.Optional(milliseconds),
};

const override = Type.Object(
  { id: identifier, ...ceilings, from: Type.Optional(instant), until: instant, reason: shortText },
  strict,
);

export const limit = Type.Object(
  {
    id: identifier,
    kind: Type.Union(
      [
        Type.Literal('requests'),
        Type.Literal('tokens'),
        Type.Literal('concurrency'),
        Type.Literal('money'),
        Type.Literal('cap'),
      ],
      { description: '`requests`, `tokens`, `concurrency`, `money` or `cap`' },
    ),
    counts: Type.Optional(
      Type.Union([Type.Literal('input'), Type.Literal('output'), Type.Literal('total')], {
        description: '`input`, `output` or `total`',
      }),
    ),
    ...ceilings,
    window: Type.Optional(
      Type.String({
        pattern: '^[1-9][0-9]{0,3}(m|h|d|w|mo)$',
        description: 'a window such as 1m, 5m, 1h, 1d, 1w or 1mo',
      }),
    ),
    align: Type.Optional(
      Type.Union([Type.Literal('calendar'), Type.Literal('rolling')], { description: '`calendar` or `rolling`' }),
    ),
    by: Type.Optional(
      Type.Array(
        Type.String({
          pattern: '^(subTenant|key|actor|model|provider|tag:[^\\s=,]{1,64})$',
          description: '`subTenant`, `key`, `actor`, `model`, `provider` or `tag:<name>`',
        }),
        { maxItems: 6, description: 'a list of dimensions' },
      ),
    ),
    match: Type.Optional(scope),
    near: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: 'a percentage from 1 to 100' })),
    unbounded: Type.Optional(unbounded),
    unpriced: Type.Optional(unpriced),
    whenRedisIsDown: Type.Optional(whenRedisIsDown),
    overrides: Type.Optional(Type.Array(override, { maxItems: 100, description: 'a list of overrides' })),
  },
  strict,
);

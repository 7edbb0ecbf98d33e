import { Type } from 'typebox';

/** Pieces that several parts of the configuration's schema share. A `description` says what is expected, as a finding repeats it. */
export const strict = { additionalProperties: false } as const;

export const slug = Type.String({
  pattern: '^[a-z0-9][a-z0-9-]{0,62}$',
  description: 'a slug: lower-case letters, digits and hyphens, at most 63, starting with a letter or digit',
});

/** Names of price lists are those of the bundled ones too, and some of these have underscores. */
export const priceListName = Type.String({
  pattern: '^[a-z0-9][a-z0-9_-]{0,62}$',
  description:
    'the name of a price list: lower-case letters, digits, hyphens and underscores, at most 63, starting with a letter or digit',
});

export const identifier = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$',
  description: 'an id: letters, digits, dots, hyphens and underscores, at most 63, starting with a letter or digit',
});

export const keyName = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,98}$',
  description: 'a name: letters, digits, spaces and . _ @ -, at most 99, starting with a letter or digit',
});

export const shortText = Type.String({ minLength: 1, maxLength: 500, description: 'a text of 1 to 500 characters' });

export const usd = Type.Union(
  [Type.String({ pattern: '^[0-9]{1,7}([.][0-9]{1,9})?$' }), Type.Number({ minimum: 0, maximum: 9_000_000 })],
  {
    description: 'an amount of US dollars as a decimal with at most nine decimals, up to 9000000, e.g. "50" or "0.25"',
  },
);

export const instant = Type.String({
  pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,3})?)?(Z|[+-][0-9]{2}:[0-9]{2}))?$',
  description: 'an instant such as 2027-01-31 or 2027-01-31T12:00:00Z',
});

export const actor = Type.String({
  pattern: '^(service:|system:|human:)?[^\\s:,][^\\s,]{0,199}$',
  description: 'an actor such as `user-a` or `service:x`',
});

export const scope = Type.Object(
  {
    subTenant: Type.Optional(slug),
    key: Type.Optional(keyName),
    actor: Type.Optional(actor),
    provider: Type.Optional(slug),
    model: Type.Optional(shortText),
    route: Type.Optional(shortText),
    tag: Type.Optional(
      Type.String({
        pattern: '^[^\\s=,]{1,64}(=[^,]{0,256})?$',
        description: 'a tag as `name=value`, or `name` for any value',
      }),
    ),
  },
  { ...strict, description: 'an object that narrows by subTenant, key, actor, provider, model, route or tag' },
);

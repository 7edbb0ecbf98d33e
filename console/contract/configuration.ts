import { type Static, type TSchema, Type } from 'typebox';

/**
 * The configuration file. This schema is the only statement of its shape: the published JSON Schema, the validation of
 * `hoc apply` and the types of the code all come from it. A `description` says what is expected, as a finding repeats it.
 */
const strict = { additionalProperties: false } as const;

const slug = Type.String({
  pattern: '^[a-z0-9][a-z0-9-]{0,62}$',
  description: 'a slug: lower-case letters, digits and hyphens, at most 63, starting with a letter or digit',
});

const identifier = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$',
  description: 'an id: letters, digits, dots, hyphens and underscores, at most 63, starting with a letter or digit',
});

const keyName = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,98}$',
  description: 'a name: letters, digits, spaces and . _ @ -, at most 99, starting with a letter or digit',
});

const environmentName = Type.String({
  pattern: '^[A-Za-z_][A-Za-z0-9_]{0,127}$',
  description: 'the name of an environment variable',
});

const shortText = Type.String({ minLength: 1, maxLength: 500, description: 'a text of 1 to 500 characters' });

const usd = Type.Union(
  [Type.String({ pattern: '^[0-9]{1,7}([.][0-9]{1,9})?$' }), Type.Number({ minimum: 0, maximum: 9_000_000 })],
  {
    description: 'an amount of US dollars as a decimal with at most nine decimals, up to 9000000, e.g. "50" or "0.25"',
  },
);

const refuseOrCeiling = Type.Union([Type.Literal('refuse'), Type.Object({ ceilingUsd: usd }, strict)], {
  description: '`refuse`, or { ceilingUsd: "<US dollars>" }',
});

const whenRedisIsDown = Type.Union([Type.Literal('refuse'), Type.Literal('allow')], {
  description: '`refuse` or `allow`',
});

const actor = Type.String({
  pattern: '^(service:|system:|human:)?[^\\s:,][^\\s,]{0,199}$',
  description: 'an actor such as `user-a` or `service:x`',
});

const scope = Type.Object(
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

const subTenant = Type.Object({ slug, parent: Type.Optional(slug) }, strict);

const headerNames = "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$";

const milliseconds = Type.Integer({ minimum: 1, maximum: 3_600_000, description: 'milliseconds, 1 to 3600000' });

const provider = Type.Object(
  {
    slug,
    baseUrl: Type.String({
      minLength: 1,
      maxLength: 2_000,
      description: 'an http or https URL without credentials, query or fragment',
    }),
    dialects: Type.Optional(
      Type.Union([Type.Literal('auto'), Type.Array(identifier, { minItems: 1, maxItems: 50 })], {
        description: '`auto`, or a list of dialect ids',
      }),
    ),
    credential: Type.Optional(
      Type.Union([Type.Literal('passthrough'), Type.Object({ env: environmentName }, strict)], {
        description: '`passthrough`, or { env: <name of an environment variable> }',
      }),
    ),
    askUsage: Type.Optional(
      Type.Union([Type.Literal('never'), Type.Literal('auto'), Type.Literal('always')], {
        description: '`never`, `auto` or `always`',
      }),
    ),
    allowPrivate: Type.Optional(Type.Boolean({ description: '`true` or `false`' })),
    priceAs: Type.Optional(slug),
    headers: Type.Optional(
      Type.Record(
        Type.String({ pattern: headerNames }),
        Type.String({ pattern: '^[\\x20-\\x7e]{0,1000}$', description: 'a header value in ASCII' }),
        { description: 'header names with their values; never secrets' },
      ),
    ),
    timeouts: Type.Optional(
      Type.Object(
        {
          connectMs: Type.Optional(milliseconds),
          headersMs: Type.Optional(milliseconds),
          idleMs: Type.Optional(milliseconds),
        },
        strict,
      ),
    ),
  },
  strict,
);

const key = Type.Object(
  {
    name: keyName,
    secretEnv: environmentName,
    provider: Type.Optional(slug),
    subTenant: Type.Optional(slug),
    actor: Type.Optional(actor),
    expires: Type.Optional(
      Type.String({
        pattern:
          '^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,3})?)?(Z|[+-][0-9]{2}:[0-9]{2}))?$',
        description: 'an instant such as 2027-01-31 or 2027-01-31T12:00:00Z',
      }),
    ),
  },
  strict,
);

const reasonText = Type.Optional(shortText);

const policyAction = Type.Union(
  [
    Type.Object({ action: Type.Literal('deny'), reason: reasonText }, strict),
    Type.Object({ action: Type.Literal('warn'), reason: reasonText }, strict),
    Type.Object(
      {
        action: Type.Literal('tag'),
        tags: Type.Record(
          Type.String({ pattern: '^[^\\s=,]{1,64}$' }),
          Type.String({
            pattern: '^[^,]{0,256}$',
            description: 'a tag value of at most 256 characters without a comma',
          }),
          { description: 'tag names with their values' },
        ),
      },
      strict,
    ),
  ],
  { description: '{ action: deny | warn, reason } or { action: tag, tags: { name: value } }' },
);

const policy = Type.Object(
  {
    id: identifier,
    phase: Type.Optional(
      Type.Union([Type.Literal('request'), Type.Literal('admit'), Type.Literal('response'), Type.Literal('stream')], {
        description: '`request`, `admit`, `response` or `stream`',
      }),
    ),
    mode: Type.Optional(
      Type.Union([Type.Literal('enforce'), Type.Literal('shadow')], { description: '`enforce` or `shadow`' }),
    ),
    scope: Type.Optional(scope),
    when: Type.Unknown({ description: 'a JSON-logic condition' }),
    then: policyAction,
    onError: Type.Optional(
      Type.Union([Type.Literal('deny'), Type.Literal('allow')], { description: '`deny` or `allow`' }),
    ),
  },
  strict,
);

const limit = Type.Object(
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
    ceiling: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 9_000_000_000_000_000,
        description: 'a whole number from 0 to 9000000000000000',
      }),
    ),
    ceilingUsd: Type.Optional(usd),
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
    unbounded: Type.Optional(refuseOrCeiling),
    unpriced: Type.Optional(refuseOrCeiling),
    whenRedisIsDown: Type.Optional(whenRedisIsDown),
  },
  strict,
);

const listOf = <Item extends TSchema>(item: Item, maxItems: number) => Type.Optional(Type.Array(item, { maxItems }));

const tenant = Type.Object(
  {
    slug,
    subTenants: listOf(subTenant, 10_000),
    capture: Type.Optional(
      Type.Union([Type.Literal('full'), Type.Literal('redacted'), Type.Literal('metadata')], {
        description: '`full`, `redacted` or `metadata`',
      }),
    ),
    approvals: Type.Optional(
      Type.Union([Type.Literal('single'), Type.Literal('two-person')], { description: '`single` or `two-person`' }),
    ),
    unbounded: Type.Optional(refuseOrCeiling),
    unpriced: Type.Optional(refuseOrCeiling),
    whenRedisIsDown: Type.Optional(whenRedisIsDown),
    providers: listOf(provider, 1_000),
    keys: listOf(key, 10_000),
    policies: listOf(policy, 10_000),
    limits: listOf(limit, 10_000),
  },
  strict,
);

/** Schema of a whole configuration file. */
export const configurationSchema = Type.Object(
  { tenants: Type.Array(tenant, { maxItems: 10_000, description: 'a list of tenants' }) },
  {
    ...strict,
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'HOC configuration',
    description: 'an object with `tenants`',
  },
);

export type ConfigurationFile = Static<typeof configurationSchema>;
export type TenantConfiguration = Static<typeof tenant>;
export type ProviderConfiguration = Static<typeof provider>;
export type KeyConfiguration = Static<typeof key>;
export type PolicyConfiguration = Static<typeof policy>;
export type LimitConfiguration = Static<typeof limit>;

/** What an omitted field means. */
export const configurationDefaults = {
  capture: 'full',
  approvals: 'single',
  dialects: 'auto',
  credential: 'passthrough',
  askUsage: 'auto',
  allowPrivate: false,
  connectMs: 10_000,
  headersMs: 600_000,
  idleMs: 300_000,
  phase: 'request',
  mode: 'enforce',
  onError: 'deny',
  align: 'calendar',
  near: 80,
  unbounded: 'refuse',
  unpriced: 'refuse',
  whenRedisIsDown: 'refuse',
} as const;

/** Fewest characters of a key's secret. */
export const shortestSecret = 32;

/** Largest configuration file, in bytes. */
export const largestConfigurationBytes = 8 * 1024 * 1024;

/** The JSON Schema as it is published: two-space JSON with a final newline. */
export function renderConfigurationSchema(): string {
  return `${JSON.stringify(configurationSchema, null, 2)}\n`;
}

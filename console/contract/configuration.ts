import { type Static, type TSchema, Type } from 'typebox';
import { limit, unbounded, unpriced, whenRedisIsDown } from './configuration-limit.ts';
import {
  actor,
  identifier,
  instant,
  keyName,
  priceListName,
  scope,
  shortText,
  slug,
  strict,
} from './configuration-parts.ts';
import { priceList } from './configuration-prices.ts';

/**
 * The configuration file. This schema is the only statement of its shape: the published JSON Schema, the validation of
 * `hoc apply` and the types of the code all come from it. A `description` says what is expected, as a finding repeats it.
 */
const environmentName = Type.String({
  pattern: '^[A-Za-z_][A-Za-z0-9_]{0,127}$',
  description: 'the name of an environment variable',
});

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
    priceAs: Type.Optional(priceListName),
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
    expires: Type.Optional(instant),
  },
  strict,
);

const reasonText = Type.Optional(shortText);

const names = Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { minItems: 1, maxItems: 128 });
const parameter = Type.String({ minLength: 1, maxLength: 64, description: 'a top-level member of the body' });
const parameterValue = Type.Union(
  [
    Type.Boolean(),
    Type.Integer(),
    Type.String({ maxLength: 1_000 }),
    Type.Object({ decimal: Type.String({ minLength: 1, maxLength: 40 }) }, strict),
  ],
  { description: 'true, false, an integer, a text, or { decimal: "0.2" }' },
);

const policyChange = Type.Union(
  [
    Type.Object({ change: Type.Literal('cap_output'), tokens: Type.Integer({ minimum: 1 }) }, strict),
    Type.Object({ change: Type.Literal('swap_model'), model: Type.String({ minLength: 1, maxLength: 256 }) }, strict),
    Type.Object(
      {
        change: Type.Literal('drop_tools'),
        tools: Type.Union([Type.Literal('all'), names], { description: '`all`, or a list of tool names' }),
      },
      strict,
    ),
    Type.Object({ change: Type.Literal('redact'), detectors: names }, strict),
    Type.Object({ change: Type.Literal('add_system'), text: Type.String({ minLength: 1, maxLength: 4_000 }) }, strict),
    Type.Object({ change: Type.Literal('set'), parameter, value: parameterValue }, strict),
    Type.Object({ change: Type.Literal('remove'), parameter }, strict),
  ],
  { description: '{ change: cap_output | swap_model | drop_tools | redact | add_system | set | remove, ... }' },
);

const policyAction = Type.Union(
  [
    Type.Object({ action: Type.Literal('deny'), reason: reasonText }, strict),
    Type.Object({ action: Type.Literal('hold'), reason: reasonText }, strict),
    Type.Object(
      {
        action: Type.Literal('modify'),
        reason: reasonText,
        changes: Type.Array(policyChange, { minItems: 1, maxItems: 8, description: 'a list of 1 to 8 changes' }),
      },
      strict,
    ),
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
  {
    description:
      '{ action: deny | hold | warn, reason }, { action: modify, reason, changes } or { action: tag, tags: { name: value } }',
  },
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
    unbounded: Type.Optional(unbounded),
    unpriced: Type.Optional(unpriced),
    whenRedisIsDown: Type.Optional(whenRedisIsDown),
    maxOutputTokens: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10_000_000, description: 'a whole number of tokens from 1 to 10000000' }),
    ),
    providers: listOf(provider, 1_000),
    keys: listOf(key, 10_000),
    policies: listOf(policy, 10_000),
    limits: listOf(limit, 10_000),
    prices: listOf(priceList, 1_000),
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
  counts: 'total',
} as const;

/** Fewest characters of a key's secret. */
export const shortestSecret = 32;

/** Largest configuration file, in bytes. */
export const largestConfigurationBytes = 8 * 1024 * 1024;

/** The JSON Schema as it is published: two-space JSON with a final newline. */
export function renderConfigurationSchema(): string {
  return `${JSON.stringify(configurationSchema, null, 2)}\n`;
}

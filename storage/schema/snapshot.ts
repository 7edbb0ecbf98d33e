/**
 * The documents a proxy decides with. Every document is canonical JSON (RFC 8785), named by the SHA-256 of its bytes, so
 * the field names here are what is hashed: they change only together with `v`. Money is a decimal string of nano-USD.
 */
export type Sha256Hex = string;

export type ActorType = 'human' | 'service' | 'system';

export type CaptureMode = 'full' | 'redacted' | 'metadata';

/**
 * When Redis cannot answer: refuse the run, let it pass marked, or (request rates only) admit this proxy's share of the
 * limit, counted on this proxy alone, for a minute, and refuse then.
 */
export type RedisDownMode = 'refuse' | 'allow' | 'local';

/** Where a provider's credential comes from. The secret itself is never in a snapshot. */
export type CredentialReference = { kind: 'passthrough' } | { kind: 'vault'; id: string; version: number };

export interface ProviderEntry {
  slug: string;
  base_url: string;
  /** `auto`, or the only dialects that may be recognised on this provider. */
  dialects: 'auto' | readonly string[];
  credential: CredentialReference;
  ask_usage: 'never' | 'auto' | 'always';
  allow_private: boolean;
  /** Price list to use; null means the slug's own list, else the dialect's vendor. */
  price_as: string | null;
  /** Headers added to every request to this provider. Never secrets. */
  headers: Readonly<Record<string, string>>;
  connect_timeout_ms: number;
  /** Longest wait for the first byte of the answer's head. */
  headers_timeout_ms: number;
  /** Longest silence between two chunks of the answer's body. */
  idle_timeout_ms: number;
}

export type PolicyPhase = 'request' | 'admit' | 'response' | 'stream';
export type PolicyMode = 'enforce' | 'shadow';
export type PolicyOnError = 'deny' | 'allow';

/**
 * What a policy does where its condition holds. Which phase may do what: request all of them; admit deny, warn and tag;
 * response also modify, by redaction alone; stream deny (which cuts it), warn and tag.
 */
export type PolicyAction =
  | { action: 'deny'; reason: string }
  | { action: 'hold'; reason: string }
  | { action: 'modify'; reason: string; changes: readonly PolicyChange[] }
  | { action: 'warn'; reason: string }
  | { action: 'tag'; tags: Readonly<Record<string, string>> };

/** A number that JSON holds and this code does not, written into a body as it stands. */
export interface DecimalText {
  decimal: string;
}

/** One change to a request, or (redact) to an answer. */
export type PolicyChange =
  | { change: 'cap_output'; tokens: number }
  | { change: 'swap_model'; model: string }
  | { change: 'drop_tools'; tools: readonly string[] | 'all' }
  /** Every finding of these detectors is replaced by `[redacted:<id>]`. */
  | { change: 'redact'; detectors: readonly string[] }
  | { change: 'add_system'; text: string }
  /** A top-level member of the body that no other change is for. */
  | { change: 'set'; parameter: string; value: boolean | number | string | DecimalText }
  | { change: 'remove'; parameter: string };

/** Narrows a policy or limit to some runs; every named field must match. Absent fields match everything. */
export interface Scope {
  sub_tenant?: string;
  key?: string;
  actor?: string;
  provider?: string;
  model?: string;
  route?: string;
  /** `name=value`, or `name` for any value. */
  tag?: string;
}

export interface PolicyEntry {
  id: string;
  version: number;
  phase: PolicyPhase;
  mode: PolicyMode;
  scope: Scope;
  /** JSON-logic condition over the facts of the phase. */
  when: unknown;
  then: PolicyAction;
  on_error: PolicyOnError;
}

export type LimitKind = 'requests' | 'tokens' | 'concurrency' | 'money' | 'cap';

/** How a limit is split: one counter for each distinct value. `tag:<name>` splits by that tag's value. */
export type LimitDimension = 'subTenant' | 'key' | 'actor' | 'model' | 'provider' | `tag:${string}`;

/** What a limit's amounts count. */
export type LimitUnit =
  | 'requests'
  | 'runs'
  | 'input_tokens'
  | 'output_tokens'
  | 'total_tokens'
  | 'nano_usd'
  | 'milliseconds';

/** Another ceiling for a stretch of time of at most 168 hours. The newest of those in force counts. */
export interface LimitOverride {
  id: string;
  /** In the limit's unit. */
  ceiling: string;
  from_ms: number;
  until_ms: number;
  reason: string;
}

export interface LimitEntry {
  id: string;
  kind: LimitKind;
  /** `tokens`: which tokens; `cap`: what of one run is capped (tokens, nano-USD or milliseconds). Absent for other kinds. */
  unit?: LimitUnit;
  /** Decimal integer in the limit's unit. */
  ceiling: string;
  /** `<n>m`, `<n>h`, `<n>d`, `<n>w` or `<n>mo`. A rolling `1mo` is 30 days; a calendar one is the UTC month. */
  window: string;
  align: 'calendar' | 'rolling';
  by: readonly LimitDimension[];
  match: Scope;
  /** Percent of the ceiling from which a run counts as near. */
  near: number;
  /** Money and tokens: what to do where facts do not bound the cost; `ceiling_tokens` for kind `tokens`. */
  unbounded: 'refuse' | { ceiling_nano_usd: string } | { ceiling_tokens: string };
  /** Money only: what to do where no price is known. */
  unpriced: 'refuse' | { ceiling_nano_usd: string };
  when_redis_is_down: RedisDownMode;
  /** Absent: none. Sorted by id. */
  overrides?: readonly LimitOverride[];
}

export interface SubTenantEntry {
  slug: string;
  /** Slug of the parent sub-tenant, or null directly under the tenant. */
  parent: string | null;
}

/** Everything one tenant's proxy decides with, except keys and prices. Arrays are sorted by slug or id (UTF-8 bytes). */
export interface PolicyDocument {
  v: 1;
  kind: 'policy';
  tenant: string;
  state: 'active' | 'suspended';
  capture: CaptureMode;
  sub_tenants: readonly SubTenantEntry[];
  providers: readonly ProviderEntry[];
  policies: readonly PolicyEntry[];
  limits: readonly LimitEntry[];
  /** Output cap put into requests that state none, or a larger one, where their dialect can be asked. Absent: none. */
  max_output_tokens?: number;
  /** The tenant's own prices, looked in before the price document, list by list and model by model. Absent: none. */
  prices?: readonly PriceList[];
}

export interface KeyEntry {
  /** Public id, e.g. `key_9f2c81d0a4b7`. Shown everywhere; not secret. */
  id: string;
  name: string;
  /** HMAC-SHA256 of the secret under HOC_KEY_HASH_SECRET, lower-case hex. */
  hash: string;
  sub_tenant: string | null;
  /** The only provider this key may call; null means all. */
  provider: string | null;
  /** Default actor as `user-a` or `service:x`; null means none. */
  actor: string | null;
  /** Unix milliseconds, or null for no expiry. */
  expires_at_ms: number | null;
  /** Revoked keys stay listed, so that a refusal can name the key that was used. */
  state: 'active' | 'frozen' | 'revoked';
}

export interface KeyDocument {
  v: 1;
  kind: 'keys';
  tenant: string;
  keys: readonly KeyEntry[];
}

/** Prices of one unit in nano-USD per million units (tokens). 0.15 USD per million tokens is "150000000". */
export interface PriceRates {
  input: string | null;
  output: string | null;
  cached_input: string | null;
  cache_write: string | null;
  /** Output tokens spent on reasoning, where they have a price of their own; absent: the output price. */
  reasoning?: string;
  /** A fee for the request itself, per million requests; absent: none. */
  request?: string;
  /** Cache writes that are kept for an hour; absent: the price of cache writes. */
  cache_write_1h?: string;
  /** Audio and image tokens, where they have prices of their own; absent: the price of the class that includes them. */
  input_audio?: string;
  cached_audio?: string;
  output_audio?: string;
  input_image?: string;
  cached_image?: string;
  output_image?: string;
}

/** A rate that applies to the whole call once its input passes `above_input_tokens`. Sorted ascending; 0 first. */
export interface PriceTier {
  above_input_tokens: number;
  rates: PriceRates;
}

export interface ModelPrice {
  /** Exact model id, lower case. */
  id: string;
  /**
   * Other names of this model, lower case: exact ids, or patterns in which `*` is any run of characters and `#` one digit.
   * One that begins with `!` takes names out again. An exact id wins over any alias; else the first model of the list does.
   */
  aliases: readonly string[];
  tiers: readonly PriceTier[];
  /** Largest output the model can produce, in tokens; null when unknown. */
  max_output_tokens: number | null;
  /** Largest input plus output, in tokens; null when unknown. */
  context_tokens: number | null;
  /** Whether it may produce output tokens that its answer does not show (hidden reasoning). Absent: no. */
  hidden_output?: true;
  /** Unix ms from which this entry is valid; null since ever. A later valid entry of the same id wins. */
  valid_from_ms: number | null;
  /** Unix ms from which this entry is no longer valid; absent: for ever. */
  valid_until_ms?: number;
  /** Time of day, ms after midnight UTC, outside of which this entry is not valid; wraps midnight. Absent: all day. */
  utc_window?: { from_ms: number; until_ms: number };
}

export interface PriceList {
  /** Name of the list, e.g. `openai`; providers point here through `price_as`. */
  vendor: string;
  models: readonly ModelPrice[];
  /** Lists to look in, in this order, for a model that this one does not have; their own fallbacks do not count. */
  fallbacks?: readonly string[];
}

export interface PriceDocument {
  v: 1;
  kind: 'prices';
  /** Where the figures come from, e.g. `@pydantic/genai-prices 0.1.8`. */
  source: string;
  lists: readonly PriceList[];
}

export type SnapshotDocument = PolicyDocument | KeyDocument | PriceDocument;

export interface ManifestTenant {
  tenant: string;
  policy: Sha256Hex;
  keys: Sha256Hex;
  /** What must stand under the tenant's epoch key in Redis for its counters to be valid. Absent: they are not. */
  counter_epoch?: string;
}

/** What is in force, signed by control. Its id is the SHA-256 of its canonical bytes and enters no digest. */
export interface Manifest {
  v: 1;
  kind: 'manifest';
  /** Grows by one with every manifest; a proxy never goes back to a lower one. */
  sequence: number;
  issued_at_ms: number;
  prices: Sha256Hex;
  tenants: readonly ManifestTenant[];
  /** Proxies alive when this was issued; the divisor of local shares. */
  proxies: number;
  /** Changes whenever any sealed credential changes, so that proxies fetch theirs again. */
  credentials_version: number;
}

/** The wire form of a manifest: exact bytes and an Ed25519 signature over them, base64. */
export interface SignedManifest {
  id: Sha256Hex;
  manifest: string;
  signature: string;
}

/** Provider credentials sealed to one node's X25519 key; see storage/vault. */
export interface SealedCredentials {
  node_id: string;
  version: number;
  ephemeral_public_key: string;
  nonce: string;
  ciphertext: string;
}

/** What `SealedCredentials` opens to: credential id and version to the secret. */
export interface CredentialDocument {
  version: number;
  credentials: readonly { id: string; version: number; secret: string }[];
}

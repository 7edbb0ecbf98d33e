import type { ActorType, CaptureMode, Sha256Hex } from './snapshot.ts';

/**
 * Rows of control's state as they stand in Postgres. Times are Unix ms; definitions are canonical JSON as text, so that
 * a definition compares and hashes as it was written. No row but `CredentialRow` is secret, and that one is sealed.
 */

/** Who keeps an object: the API, or the configuration file of that name (`file:hoc.yaml`). */
export type Owner = string;

export type TenantState = 'active' | 'suspended' | 'terminated';
export type Approvals = 'single' | 'two-person';

export interface TenantRow {
  slug: string;
  owner: Owner;
  state: TenantState;
  capture: CaptureMode;
  approvals: Approvals;
  /** Canonical JSON of what limits of this tenant take where they say nothing: unbounded, unpriced, when_redis_is_down. */
  limit_defaults: string;
  /** Canonical JSON of what else its policy document says: `max_output_tokens`, `prices`. */
  settings: string;
  /** Marks the tenant's Redis counters as valid; made once, carried in the manifest. */
  counter_epoch: string;
  /** Whether the epoch has been written to Redis. Once it has, its absence there means that counters were lost. */
  counters_written: boolean;
  policy_sha256: Sha256Hex | null;
  keys_sha256: Sha256Hex | null;
  created_at_ms: number;
}

export interface SubTenantStateRow {
  tenant: string;
  slug: string;
  parent: string | null;
  owner: Owner;
}

export interface ProviderRow {
  tenant: string;
  slug: string;
  owner: Owner;
  /** Canonical JSON of `ProviderEntry`. */
  definition: string;
}

/** One version of a provider's credential. `envelope` is sealed by storage/vault; null once the version is out of use. */
export interface CredentialRow {
  id: string;
  version: number;
  tenant: string;
  provider: string;
  envelope: string | null;
  created_at_ms: number;
}

export interface ApiKeyRow {
  id: string;
  tenant: string;
  name: string;
  /** HMAC-SHA256 of the secret under HOC_KEY_HASH_SECRET, hex. */
  hash: string;
  state: 'active' | 'frozen' | 'revoked';
  /** False for a revoked key whose secret a later key uses again: only the later one is in the snapshot. */
  listed: boolean;
  sub_tenant: string | null;
  provider: string | null;
  actor: string | null;
  expires_at_ms: number | null;
  owner: Owner;
  created_at_ms: number;
  revoked_at_ms: number | null;
  /** `api`, or the file that no longer names it: what the API revoked, no file brings back. */
  revoked_by: Owner | null;
}

export type PolicyState = 'draft' | 'pending_approval' | 'active' | 'suspended' | 'retired';

/** A policy or limit version. The definition never changes; only the state moves. */
interface VersionRow {
  tenant: string;
  id: string;
  version: number;
  owner: Owner;
  definition: string;
  created_at_ms: number;
}

export interface PolicyRow extends VersionRow {
  state: PolicyState;
}

export interface LimitRow extends VersionRow {
  state: 'active' | 'retired';
}

/** All live state of one tenant: what a snapshot is built from and a configuration file is compared with. */
export interface TenantObjects {
  tenant: TenantRow;
  sub_tenants: readonly SubTenantStateRow[];
  providers: readonly ProviderRow[];
  credentials: readonly CredentialRow[];
  /** All keys that are live or listed. */
  keys: readonly ApiKeyRow[];
  /** Every version that is not retired. */
  policies: readonly PolicyRow[];
  limits: readonly LimitRow[];
}

export interface DocumentRow {
  sha256: Sha256Hex;
  kind: 'policy' | 'keys' | 'prices';
  tenant: string | null;
  bytes: Buffer;
  created_at_ms: number;
}

export interface ManifestRow {
  sequence: number;
  id: Sha256Hex;
  bytes: Buffer;
  signature: string;
  issued_at_ms: number;
}

/** The documents of one tenant that runs were decided with, under the id by which they name them. */
export interface SnapshotRow {
  /** As the runs have it: SHA-256 of canonical `{policy, keys, prices}`. */
  id: Sha256Hex;
  tenant: string;
  policy: Sha256Hex;
  keys: Sha256Hex;
  prices: Sha256Hex;
  /** When a manifest first brought these together. */
  issued_at_ms: number;
}

export interface NodeRow {
  id: string;
  name: string;
  /** X25519 SPKI DER, base64. */
  public_key: string;
  token_hash: Sha256Hex;
  enrolled_at_ms: number;
  revoked_at_ms: number | null;
}

export interface ServiceTokenRow {
  id: string;
  name: string;
  token_hash: Sha256Hex;
  /** Comma-separated permissions, or `*`. */
  scopes: string;
  loopback_only: boolean;
  created_at_ms: number;
  expires_at_ms: number | null;
  revoked_at_ms: number | null;
}

export interface AuditEntryRow {
  tenant: string;
  sequence: number;
  /** Exact canonical bytes of `AuditRecord`: what a Merkle tree takes. */
  raw: Buffer;
  leaf_hash: Sha256Hex;
  at_ms: number;
}

/** The erasable side of an entry; erasing it keeps every proof over `raw`. */
export interface AuditOpenValuesRow {
  tenant: string;
  sequence: number;
  actor_salt: string;
  actor_value: string;
  from_address: string | null;
  before: string | null;
  after: string | null;
}

export interface BatchSealRow {
  batch_id: string;
  tenant: string;
  proxy_id: string;
  proxy_epoch: number;
  first_seq: number;
  last_seq: number;
  leaves: number;
  root: Sha256Hex;
  at_ms: number;
}

export interface SettingRow {
  name: string;
  value: string;
}

/** What is known of one proxy's spool. Times are control's clock. */
export interface SpoolRow {
  proxy_id: string;
  /** When control first heard of it. */
  known_at_ms: number;
  /** JSON of the last `SpoolReport` of its shipper; null before the first. */
  report: string | null;
  reported_at_ms: number | null;
  /** When a proxy that writes it last said that it lives, and in which epoch; null where none ever did. */
  live_at_ms: number | null;
  live_epoch: number | null;
}

/** Damage that a person has seen and dealt with, the last time for each finding. */
export interface AcknowledgementRow {
  /** Name of the finding, such as `spool/proxy-1/damaged_frames`. */
  finding: string;
  /** JSON of how much of it there was. */
  found: string;
  reason: string;
  /** As the audit log names them. */
  actor: string;
  at_ms: number;
}

/** A rebuild of one tenant's counters that is under way. There is at most one a tenant. */
export interface CounterRebuildRow {
  tenant: string;
  /** The tenant's new epoch: what is restored stands under it. */
  counter_epoch: string;
  /** Closed word: why the counters are invalid. */
  cause: string;
  /** `restoring`: Redis may hold the new epoch already. */
  state: 'waiting' | 'restoring';
  opened_at_ms: number;
  /** JSON list of the proxies that an operator does not want to be waited for. */
  accepted: string;
  /** JSON list of what is waited for, in the order of proxies: see operations/counters. */
  waiting: string;
  /** Whether the wait has been put on record. */
  wait_recorded: boolean;
}

/** Where one proxy epoch marked its spool for a tenant's new counter epoch, and what was open there. */
export interface CounterMarkRow {
  tenant: string;
  counter_epoch: string;
  proxy_id: string;
  proxy_epoch: number;
  last_seq: number;
  /** JSON of the open reservations, amounts as decimal strings. */
  open: string;
  at_ms: number;
}

/** Who acts on control: what an audit entry names, and what it may do. */
export interface Principal {
  type: ActorType;
  /** `system:config`, `service:<token id>`, `system:node:<id>`. */
  actor: string;
  scopes: readonly string[];
  /** Address the act came from; null for an act of control itself. */
  from: string | null;
}

import type { Sha256Hex } from './snapshot.ts';

/**
 * One entry of a tenant's (or, with tenant "", the platform's) append-only log. `raw` is the canonical JSON of
 * `AuditRecord`, `leaf_hash` SHA-256(0x00 || raw). Sequences are gapless from 1 within a tenant.
 */
export interface AuditRecord {
  v: 1;
  kind: 'audit';
  tenant: string;
  sequence: number;
  at_ms: number;
  /** Commitment to the actor (`system:config`, `service:<token id>`): SHA-256(salt || value), hex. */
  actor: Sha256Hex;
  /** What was done, `<object>.<verb>`, e.g. `key.revoke`, `policy.create`, `snapshot.publish`, `batch.seal`. */
  act: string;
  object_type: string;
  object_id: string;
  allowed: boolean;
  /** SHA-256 of the canonical JSON of the object before and after; null where it did not exist. */
  before: Sha256Hex | null;
  after: Sha256Hex | null;
  /** Short closed facts of the act, e.g. a batch's range and sub-root. Never personal values or secrets. */
  facts: Readonly<Record<string, string | number>>;
}

/** The erasable side of an audit entry. */
export interface AuditOpenValues {
  actor: { salt: string; value: string };
  /** Address the act came from, when it came over a network. */
  from: string | null;
  before: unknown;
  after: unknown;
}

/** What a shipper posts for one batch and tenant: the RFC 6962 root over the batch's leaf hashes in sequence order. */
export interface BatchSeal {
  batch_id: string;
  tenant: string;
  proxy_id: string;
  proxy_epoch: number;
  first_seq: number;
  last_seq: number;
  leaves: number;
  root: Sha256Hex;
}

import { type Static, Type } from 'typebox';
import type { Decision, DecisionContext } from '../../storage/schema/decision.ts';
import type { Finding } from '../../storage/schema/errors.ts';
import type { LimitCharge, RunRow } from '../../storage/schema/run.ts';
import type { LimitUnit } from '../../storage/schema/snapshot.ts';
import type { ShownDecision } from './decisions.ts';

/** Bodies and answers of `/api/v1`, snake_case as everywhere in JSON. */
const strict = { additionalProperties: false } as const;

export const applyRequestSchema = Type.Object(
  {
    /** Name of the file; its base name owns the objects. */
    file: Type.String({ minLength: 1, maxLength: 1_000 }),
    text: Type.String(),
    /** Values of the environment variables that the file names, read by the caller. */
    secrets: Type.Optional(Type.Record(Type.String({ maxLength: 128 }), Type.String({ maxLength: 65_536 }))),
    dry_run: Type.Optional(Type.Boolean()),
    /** Take over objects that the API or another file owns, where this file names them. */
    adopt: Type.Optional(Type.Boolean()),
  },
  strict,
);
export type ApplyRequest = Static<typeof applyRequestSchema>;

export type ObjectType = 'tenant' | 'sub_tenant' | 'provider' | 'key' | 'policy' | 'limit';
export type ChangeKind = 'created' | 'updated' | 'removed' | 'unchanged';

/** What an apply does (or, in a dry run, would do) to one object. */
export interface AppliedChange {
  change: ChangeKind;
  object_type: ObjectType;
  tenant: string;
  /** Slug or id; of a key its name. */
  object: string;
  /** Fields that differ, for `updated`. */
  fields: readonly string[];
  /** What a person should know, e.g. that a policy waits for approval. */
  note: string | null;
}

export interface ApplyResult {
  file: string;
  dry_run: boolean;
  changes: readonly AppliedChange[];
  counts: Readonly<Record<ChangeKind, number>>;
  /** Manifest in force afterwards; null in a dry run. */
  manifest: { id: string; sequence: number } | null;
}

export const createKeySchema = Type.Object(
  {
    tenant: Type.String({ minLength: 1, maxLength: 63 }),
    name: Type.String({ minLength: 1, maxLength: 99 }),
    provider: Type.Optional(Type.String({ maxLength: 63 })),
    sub_tenant: Type.Optional(Type.String({ maxLength: 63 })),
    actor: Type.Optional(Type.String({ maxLength: 210 })),
    expires: Type.Optional(Type.String({ maxLength: 40 })),
  },
  strict,
);
export type CreateKeyRequest = Static<typeof createKeySchema>;

export interface KeySummary {
  id: string;
  tenant: string;
  name: string;
  /** `expired` is an active key past its time. */
  state: 'active' | 'frozen' | 'revoked' | 'expired';
  sub_tenant: string | null;
  provider: string | null;
  actor: string | null;
  expires_at_ms: number | null;
  owner: string;
  created_at_ms: number;
  revoked_at_ms: number | null;
}

/** The only answer that ever carries a secret, once. */
export interface CreatedKey extends KeySummary {
  secret: string;
}

export interface TenantSummary {
  slug: string;
  state: 'active' | 'suspended' | 'terminated';
  capture: string;
  approvals: string;
  owner: string;
  created_at_ms: number;
}

export const runsQuerySchema = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
    cursor: Type.Optional(Type.String({ maxLength: 1_000 })),
    tenant: Type.Optional(Type.String({ maxLength: 63 })),
    status: Type.Optional(Type.String({ maxLength: 20 })),
    outcome: Type.Optional(Type.String({ maxLength: 20 })),
    verdict: Type.Optional(Type.String({ maxLength: 20 })),
    sub_tenant: Type.Optional(Type.String({ maxLength: 63 })),
    provider: Type.Optional(Type.String({ maxLength: 63 })),
    model: Type.Optional(Type.String({ maxLength: 300 })),
    key_id: Type.Optional(Type.String({ maxLength: 100 })),
    actor_id: Type.Optional(Type.String({ maxLength: 300 })),
    session_id: Type.Optional(Type.String({ maxLength: 300 })),
  },
  strict,
);
export type RunsQuery = Static<typeof runsQuerySchema>;

export interface RunsPage<Row> {
  runs: readonly Row[];
  next: string | null;
}

/** A captured body: as text where it is UTF-8, else base64. */
export interface ShownPayload {
  part: 'request' | 'response';
  content_type: string | null;
  content_encoding: string | null;
  whole_bytes: number;
  stored_bytes: number;
  /** Whether it is the text alone, with what the detectors found taken out; its commitment covers what is stored then. */
  redacted: boolean;
  text: string | null;
  base64: string | null;
}

/** One run as `hoc runs show` has it: the row, why it was decided so, what was captured, and the records behind it. */
export interface ShownRun extends Omit<RunRow, 'limits'> {
  /** What it took of each limit, in that limit's unit; null where control does not know the limit any more. */
  limits: readonly (LimitCharge & { unit: LimitUnit | null })[];
  context: DecisionContext | null;
  decision: Decision | null;
  /** What each phase decided, in order; the run's own decision is one of them. */
  decisions: readonly ShownDecision[];
  payloads: readonly ShownPayload[];
  records: readonly {
    proxy_id: string;
    proxy_epoch: number;
    proxy_seq: number;
    kind: string;
    raw: string;
    leaf_hash: string;
  }[];
}

export const acceptGapSchema = Type.Object({ proxy: Type.String({ minLength: 1, maxLength: 200 }) }, strict);

/** What going on without a spool came to. */
export interface AcceptedGap {
  proxy: string;
  /** Tenants whose rebuild of counters does not wait for it any more. */
  tenants: readonly string[];
  /** Whether the spool is taken for gone, and known again only when it reports. */
  forgotten: boolean;
}

/** One finding of `hoc doctor`. */
export interface DoctorFinding {
  check: string;
  severity: 'ok' | 'acknowledged' | 'warning' | 'error';
  message: string;
  /** Of damage that stays for good: the name by which a person can acknowledge it. */
  id?: string;
  acknowledged?: Acknowledgement;
}

export interface Acknowledgement {
  by: string;
  at_ms: number;
  reason: string;
}

export const acknowledgeSchema = Type.Object(
  {
    finding: Type.String({ minLength: 1, maxLength: 400 }),
    reason: Type.String({ minLength: 1, maxLength: 500 }),
  },
  strict,
);

/** Damage that a person has just acknowledged, as it was found then. */
export interface AcknowledgedFinding {
  id: string;
  message: string;
  acknowledged: Acknowledgement;
}

/** Every error answer, `application/problem+json` (RFC 9457). `detail` is a sentence that may be shown to anyone. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  request_id: string;
  findings: readonly Finding[];
}

/** What `DIR/run.json` holds: where everything listens, and the platform operator's token. */
export interface RunJson {
  proxy: string;
  console: string;
  admin: string;
  token: string;
}

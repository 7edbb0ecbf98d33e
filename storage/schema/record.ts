import type { Decision, DecisionContext } from './decision.ts';
import type { CounterWindow } from './reservation.ts';
import type {
  ActorSource,
  LimitCharge,
  Outcome,
  Proximity,
  RunEvent,
  RunMark,
  RunStatus,
  Usage,
  UsageSource,
  Verdict,
} from './run.ts';
import type { ActorType, Sha256Hex } from './snapshot.ts';

/**
 * Sealed records. A record's `raw` is canonical JSON; its leaf hash is SHA-256(0x00 || raw) as in RFC 6962, so the bytes
 * a later Merkle tree takes are fixed from the first day. Personal values are not in `raw`: it holds commitments,
 * SHA-256(salt || value), and the values travel beside it in `OpenValues`, where they can be erased.
 *
 * Every record carries `proxy_id`, `proxy_epoch` and a `proxy_seq` that is gapless within the epoch, over all kinds.
 */
interface RecordHead {
  v: 1;
  proxy_id: string;
  proxy_epoch: number;
  proxy_seq: number;
  /** Tenant slug; the empty string where no tenant could be identified (platform log). */
  tenant: string;
  at_ms: number;
}

/** Commitments to values that can be erased; null where there is no value. Lower-case hex. */
export interface Commitments {
  actor: Sha256Hex | null;
  session: Sha256Hex | null;
  tags: Sha256Hex | null;
  context: Sha256Hex | null;
  request: Sha256Hex | null;
  response: Sha256Hex | null;
}

/** What the policies of one phase came to. The values behind its commitment are in `OpenValues.decisions`. */
export interface PhaseVerdict {
  phase: DecisionContext['phase'];
  verdict: Verdict;
  decided_by: string | null;
  decision_digest: Sha256Hex;
  context: Sha256Hex;
}

/** The values of a `PhaseVerdict`, with the salt of its commitment. */
export interface OpenDecision {
  salt: string;
  context: DecisionContext;
  context_digest: Sha256Hex;
  decision: Decision;
  decision_digest: Sha256Hex;
}

/**
 * Written before a byte goes upstream; or (`refusal`) when a refused run begins to stand for others like it, whose number
 * only its finish can tell.
 */
export interface IntentRecord extends RecordHead {
  kind: 'intent';
  run_id: string;
  sub_tenant: string | null;
  key_id: string | null;
  provider: string | null;
  dialect: string | null;
  model: string | null;
  method: string;
  route: string;
  streamed: boolean;
  snapshot_id: Sha256Hex | null;
  decision_digest: Sha256Hex | null;
  verdict: Verdict;
  decided_by: string | null;
  reserved_nano_usd: string | null;
  /** What the run can cost at most, whether or not a money limit reserved it: without a bound what is known or reserved. Null: unpriced. */
  worst_case_nano_usd: string | null;
  estimated_input_tokens: number | null;
  estimated_output_tokens: number | null;
  /** Every limit reserved, with the most the run can come to as `settled`: what it is charged if its proxy dies. */
  limits: readonly LimitCharge[];
  refusal?: { code: string; reason: string; http_status: number };
  commitments: Commitments;
}

/** The terminal state of a run, or of `count` collapsed refusals. Stands alone: it repeats what the intent said. */
export interface FinishRecord extends RecordHead {
  kind: 'finish';
  run_id: string;
  sub_tenant: string | null;
  key_id: string | null;
  provider: string | null;
  dialect: string | null;
  model: string | null;
  method: string;
  route: string;
  streamed: boolean;
  status: Exclude<RunStatus, 'running'>;
  outcome: Outcome;
  proximity: Proximity;
  verdict: Verdict;
  decided_by: string | null;
  refusal_code: string | null;
  reason: string | null;
  http_status: number | null;
  usage: Usage;
  usage_source: UsageSource;
  cost_nano_usd: string | null;
  reserved_nano_usd: string | null;
  estimated_input_tokens: number | null;
  estimated_output_tokens: number | null;
  latency_ms: number;
  ttft_ms: number | null;
  snapshot_id: Sha256Hex | null;
  decision_digest: Sha256Hex | null;
  altered: boolean;
  started_at: number;
  ended_at: number;
  count: number;
  marks: readonly RunMark[];
  events: readonly RunEvent[];
  request_bytes: number;
  response_bytes: number;
  /** Every limit that was reserved, or (status blocked) that refused the run: then `settled` is 0. */
  limits: readonly LimitCharge[];
  /** Of each phase whose policies were asked, in order; absent where the run's own decision is the only one. */
  decisions?: readonly PhaseVerdict[];
  commitments: Commitments;
}

/** Runs of one tenant whose reservations the proxy has settled itself; the shipper settles all others. */
export interface SettledRecord extends RecordHead {
  kind: 'settled';
  runs: readonly string[];
}

export type SealedRecord = IntentRecord | FinishRecord | SettledRecord;

/** What one reservation item comes to at the end: `key` as in `ReservationItem`, `amount` a decimal integer. */
export interface SettleItem {
  key: string;
  amount: string;
  /** Where `OpenValues.settle_at_ms` is given: the counter's window, and the item's own instant if it has one. */
  window?: CounterWindow;
  at_ms?: number;
}

/** The erasable values of a record, each with the salt (16 random bytes, hex) of its commitment. */
export interface OpenValues {
  actor?: { salt: string; type: ActorType; id: string; source: ActorSource };
  session?: { salt: string; id: string };
  tags?: { salt: string; values: Readonly<Record<string, string>> };
  context?: { salt: string; value: DecisionContext; digest: Sha256Hex };
  /** Decision details for the explanation; derives from context and snapshot, so it carries no salt of its own. */
  decision?: Decision;
  /** In the order of `FinishRecord.decisions`. */
  decisions?: readonly OpenDecision[];
  /** Salts of the payload commitments; the payload bytes are in frames of their own. */
  request_salt?: string;
  response_salt?: string;
  /**
   * Amounts to settle: of a finish what it came to, of an intent what it is charged if its proxy dies. For the shipper
   * only, never stored: counter keys can hold an actor's id.
   */
  settle?: readonly SettleItem[];
  /**
   * The run was admitted without counters, so that Redis does not know it: it is to be counted once, in the windows of this
   * instant (Unix ms), instead of settled.
   */
  settle_at_ms?: number;
  /** The counter epoch that knows nothing of the run: under any other it is settled, for whoever rebuilt the counters knew it. */
  settle_epoch?: string;
}

/**
 * What is kept of a body. Its commitment covers the whole body as the caller or the provider sent it; of a redacted one it
 * covers the stored text, for a digest of the body would tell, to who knows all the rest of it, what was taken out.
 */
export interface PayloadHead {
  run_id: string;
  tenant: string;
  part: 'request' | 'response';
  content_type: string | null;
  content_encoding: string | null;
  /** Bytes of the whole body; `stored_bytes` of them follow (fewer where the size cap cut it), or of its redacted text. */
  whole_bytes: number;
  stored_bytes: number;
  /** True where it is the decoded text with all that the detectors found in it taken out; absent otherwise. */
  redacted?: true;
}

/**
 * Says in the spool that all reservations before it were made under an older counter epoch of `tenant`. Not a record: it
 * has no sequence and is never shipped. A shipper that has delivered everything before it reports it to control.
 */
export interface MarkHead {
  v: 1;
  kind: 'mark';
  tenant: string;
  counter_epoch: string;
  at_ms: number;
}

/**
 * Says in the spool what a run under way can have come to, where that is more than its intent or the last of these says:
 * written before more is reserved, and once more where less was. Like a mark it has no sequence and is never shipped; it
 * serves only to close and to settle a run whose proxy died. Its tail is `OpenValues` with `settle` alone.
 */
export interface RaiseHead {
  v: 1;
  kind: 'raise';
  run_id: string;
  tenant: string;
  at_ms: number;
  reserved_nano_usd: string | null;
  worst_case_nano_usd: string | null;
  limits: readonly LimitCharge[];
}

/** Kinds of spool frames. Records carry `head` = raw (canonical JSON) and `tail` = OpenValues (JSON, may be empty). */
export const frameKinds = { record: 1, payload: 2, mark: 3, raise: 4 } as const;
export type FrameKind = keyof typeof frameKinds;

/** One spool frame. For `payload`, `head` is PayloadHead as JSON and `tail` the stored bytes; for `mark` and `raise`, `head` is MarkHead or RaiseHead. */
export interface Frame {
  kind: FrameKind;
  /** proxy_seq of a record frame, 0 for all others. */
  seq: number;
  head: Buffer;
  tail: Buffer;
}

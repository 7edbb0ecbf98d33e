import type { ActorType } from './snapshot.ts';

export type RunStatus = 'running' | 'succeeded' | 'failed' | 'blocked' | 'truncated' | 'cancelled' | 'abandoned';

export type Verdict = 'deny' | 'hold' | 'modify' | 'warn' | 'tag' | 'allow';

/** Most restrictive first. */
export const verdictOrder: readonly Verdict[] = ['deny', 'hold', 'modify', 'warn', 'tag', 'allow'];

export type Proximity = 'ok' | 'near' | 'breach';
export type Outcome = 'prevented' | 'failure' | 'near_threshold' | 'success';
export type ActorSource = 'verified' | 'asserted' | 'inferred';
export type UsageSource = 'provider' | 'estimated' | 'none';

/** The closed list of marks a run can carry; a run's marks are sorted. */
export const runMarks = [
  'unpriced',
  'usage_missing',
  'usage_asked',
  'overrun',
  'redis_degraded',
  'limit_skipped',
  'snapshot_stale',
  /** Admitted on this proxy's share of a request rate while Redis was away. */
  'local_share',
  /** A policy changed the request or the answer. */
  'modified',
  /** The tenant's output cap was put into the request. */
  'output_capped',
  /** The provider reported usage that cannot be true in full: negative, zero, partial or inconsistent. */
  'usage_flawed',
  /** The payload was not captured because the spool was filling up. */
  'payload_dropped',
] as const;
export type RunMark = (typeof runMarks)[number];

/**
 * What a provider reported, normalised: input includes cached, cache-write, audio and image tokens, output includes
 * reasoning, audio and image tokens; cached audio and image tokens are part of cached. Null or absent: silent.
 */
export interface Usage {
  input_tokens: number | null;
  output_tokens: number | null;
  cached_input_tokens: number | null;
  cache_write_tokens: number | null;
  reasoning_tokens: number | null;
  /** The part of the cache-write tokens that is kept for an hour. */
  cache_write_1h_tokens?: number | null;
  input_audio_tokens?: number | null;
  cached_audio_tokens?: number | null;
  output_audio_tokens?: number | null;
  input_image_tokens?: number | null;
  output_image_tokens?: number | null;
}

/**
 * What one run took of one limit, in the limit's unit, as decimal integers. The subject follows from the run's own
 * columns and the limit's dimensions, so that nothing personal stands here.
 */
export interface LimitCharge {
  id: string;
  /** Reserved for the run in the end, all top-ups included. */
  reserved: string;
  /** What it came to: the real use, or its bound. More than `reserved` is an overrun. Equal to `reserved` in an intent. */
  settled: string;
  /** Used and reserved of the limit's counter right after this run was reserved, itself included; null: not asked. */
  taken: string | null;
  ceiling: string;
  /** Whether this run was the first of its window to bring the counter to the near mark. */
  near: boolean;
  /** Since when it counts, Unix ms by Redis, where that lies in another window than the run's own reserve instant. */
  since_ms?: number;
}

export const noUsage: Usage = {
  input_tokens: null,
  output_tokens: null,
  cached_input_tokens: null,
  cache_write_tokens: null,
  reasoning_tokens: null,
};

export interface Actor {
  type: ActorType;
  id: string;
  source: ActorSource;
}

/** The stages of the pipeline in order; each owns exactly one event of a run. */
export const stages = [
  'identify',
  'read',
  'decide',
  'price',
  'reserve',
  'intent',
  'forward',
  'observe',
  'finish',
] as const;
export type Stage = (typeof stages)[number];

/** One fact of a run: the stage that owns it, microseconds since the run was accepted, and a short closed detail. */
export interface RunEvent {
  stage: Stage;
  at_us: number;
  /** `ok`, or what the stage concluded, e.g. `refused:limit_exceeded`. Never caller text. */
  detail: string;
}

/** One terminal (or running) state of a run as it stands in ClickHouse and in `hoc runs`. Times are Unix ms. */
export interface RunRow {
  run_id: string;
  session_id: string | null;
  tenant: string | null;
  sub_tenant: string | null;
  key_id: string | null;
  actor_type: ActorType | null;
  actor_id: string | null;
  actor_source: ActorSource | null;
  provider: string | null;
  dialect: string | null;
  model: string | null;
  tags: Readonly<Record<string, string>>;
  status: RunStatus;
  outcome: Outcome | null;
  proximity: Proximity | null;
  verdict: Verdict;
  /** `policy:<id>@<version>`, `limit:<id>`, `key:<public id>`, `capacity`, or null. */
  decided_by: string | null;
  input_tokens: number | null;
  output_tokens: number | null;
  cached_input_tokens: number | null;
  cache_write_tokens: number | null;
  reasoning_tokens: number | null;
  usage_source: UsageSource;
  /** Decimal nano-USD, null when unpriced. */
  cost_nano_usd: string | null;
  latency_ms: number | null;
  ttft_ms: number | null;
  snapshot_id: string | null;
  context_digest: string | null;
  decision_digest: string | null;
  proxy_seq: number;
  altered: boolean;
  started_at: number;
  ended_at: number | null;
  reserved_nano_usd: string | null;
  estimated_input_tokens: number | null;
  estimated_output_tokens: number | null;
  /** 1, or how many identical refusals this one record stands for. */
  count: number;
  marks: readonly RunMark[];
  // Beyond the export contract, for `runs show`:
  refusal_code: string | null;
  reason: string | null;
  http_status: number | null;
  method: string | null;
  route: string | null;
  streamed: boolean;
  events: readonly RunEvent[];
  limits: readonly LimitCharge[];
  proxy_id: string;
  proxy_epoch: number;
  leaf_hash: string;
}

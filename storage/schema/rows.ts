import type { PayloadHead } from './record.ts';
import type { RunRow } from './run.ts';

/** One sealed record: its exact bytes and what finds it. `run_id` is null where a record is of no single run. */
export interface RecordRow {
  tenant: string;
  proxy_id: string;
  proxy_epoch: number;
  proxy_seq: number;
  kind: string;
  run_id: string | null;
  at_ms: number;
  /** Canonical JSON, the bytes that `leaf_hash` covers. */
  raw: string;
  leaf_hash: string;
}

/** One version of a run, with what is erasable: values, their salts (hex), and the recorded context. */
export interface RunVersionRow extends RunRow {
  /** 1 intent, 2 abandoned, 3 finish: the highest that is there stands. */
  version: 1 | 2 | 3;
  cache_write_1h_tokens: number | null;
  input_audio_tokens: number | null;
  cached_audio_tokens: number | null;
  output_audio_tokens: number | null;
  input_image_tokens: number | null;
  output_image_tokens: number | null;
  request_bytes: number;
  response_bytes: number;
  /** JSON of the frozen context and of the decision; null where there is none. */
  context: string | null;
  decision: string | null;
  /** JSON list of `OpenDecision`, one a phase; null where the run's own decision is the only one. */
  decisions: string | null;
  actor_salt: string | null;
  session_salt: string | null;
  tags_salt: string | null;
  context_salt: string | null;
  request_salt: string | null;
  response_salt: string | null;
}

/** A captured body as far as it was stored: any bytes. The salt of its commitment stands on the run. */
export interface PayloadRow extends PayloadHead {
  body: Buffer;
}

/** What one insert takes. A retry under the same id must carry the same rows in the same order. */
export interface Batch {
  id: string;
  records: readonly RecordRow[];
  runs: readonly RunVersionRow[];
  payloads: readonly PayloadRow[];
}

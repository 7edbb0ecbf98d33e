import type { PayloadHead } from '../../storage/schema/record.ts';
import type { RunRow } from '../../storage/schema/run.ts';

/** One sealed record as it goes to ClickHouse: its exact bytes, and what finds it. */
export interface RecordRow {
  tenant: string;
  proxy_id: string;
  proxy_epoch: number;
  proxy_seq: number;
  kind: 'intent' | 'finish' | 'settled';
  run_id: string | null;
  at_ms: number;
  leaf_hash: string;
  raw: string;
}

/** One version of a run: 1 intent, 2 closed by recovery, 3 finish; the highest stands. With its erasable values and salts. */
export interface RunVersionRow extends RunRow {
  version: 1 | 2 | 3;
  request_bytes: number;
  response_bytes: number;
  /** JSON of the frozen context and of the decision's details; null where there is none. */
  context: string | null;
  decision: string | null;
  actor_salt: string | null;
  session_salt: string | null;
  tags_salt: string | null;
  context_salt: string | null;
  request_salt: string | null;
  response_salt: string | null;
}

/** A captured body, as far as it was stored. */
export interface PayloadRow extends PayloadHead {
  body: Buffer;
}

/** What one call of the sink takes: identical for every attempt under one id. */
export interface ShippedBatch {
  id: string;
  records: readonly RecordRow[];
  runs: readonly RunVersionRow[];
  payloads: readonly PayloadRow[];
}

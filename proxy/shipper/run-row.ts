import type { FinishRecord, IntentRecord, OpenValues } from '../../storage/schema/record.ts';
import type { RunVersionRow } from '../../storage/schema/rows.ts';
import { recoverySuffix } from './abandon.ts';

/**
 * A running run of which nothing is known yet. Every row begins as a copy of it and is then filled in: that takes 2 us, where
 * spreading parts into one literal of this size takes 100 us, since V8 then makes it a hash table.
 */
const blank: RunVersionRow = {
  run_id: '',
  session_id: null,
  tenant: null,
  sub_tenant: null,
  key_id: null,
  actor_type: null,
  actor_id: null,
  actor_source: null,
  provider: null,
  dialect: null,
  model: null,
  tags: {},
  status: 'running',
  outcome: null,
  proximity: null,
  verdict: 'allow',
  decided_by: null,
  input_tokens: null,
  output_tokens: null,
  cached_input_tokens: null,
  cache_write_tokens: null,
  reasoning_tokens: null,
  cache_write_1h_tokens: null,
  input_audio_tokens: null,
  cached_audio_tokens: null,
  output_audio_tokens: null,
  input_image_tokens: null,
  output_image_tokens: null,
  usage_source: 'none',
  cost_nano_usd: null,
  latency_ms: null,
  ttft_ms: null,
  snapshot_id: null,
  context_digest: null,
  decision_digest: null,
  proxy_seq: 0,
  altered: false,
  started_at: 0,
  ended_at: null,
  reserved_nano_usd: null,
  estimated_input_tokens: null,
  estimated_output_tokens: null,
  count: 1,
  marks: [],
  refusal_code: null,
  reason: null,
  http_status: null,
  method: null,
  route: null,
  streamed: false,
  events: [],
  limits: [],
  proxy_id: '',
  proxy_epoch: 0,
  leaf_hash: '',
  version: 1,
  request_bytes: 0,
  response_bytes: 0,
  context: null,
  decision: null,
  decisions: null,
  actor_salt: null,
  session_salt: null,
  tags_salt: null,
  context_salt: null,
  request_salt: null,
  response_salt: null,
};

/** Version 1 of a run: it is running. What only its end can tell is null. */
export function runningRow(record: IntentRecord, open: OpenValues, leafHash: string): RunVersionRow {
  const row = { ...blank };
  fillFromBoth(row, record, leafHash);
  fillFromOpen(row, open);
  row.started_at = record.at_ms;
  return row;
}

/** The terminal version of a run: 3, or 2 where recovery closed it, so that a real finish still wins. */
export function terminalRow(record: FinishRecord, open: OpenValues, leafHash: string): RunVersionRow {
  const row = { ...blank };
  fillFromBoth(row, record, leafHash);
  fillFromOpen(row, open);
  fillFromFinish(row, record);
  return row;
}

function fillFromBoth(row: RunVersionRow, record: IntentRecord | FinishRecord, leafHash: string): void {
  row.run_id = record.run_id;
  row.tenant = record.tenant === '' ? null : record.tenant;
  row.sub_tenant = record.sub_tenant;
  row.key_id = record.key_id;
  row.provider = record.provider;
  row.dialect = record.dialect;
  row.model = record.model;
  row.method = record.method;
  row.route = record.route;
  row.streamed = record.streamed;
  row.verdict = record.verdict;
  row.decided_by = record.decided_by;
  row.snapshot_id = record.snapshot_id;
  row.decision_digest = record.decision_digest;
  row.reserved_nano_usd = record.reserved_nano_usd;
  row.estimated_input_tokens = record.estimated_input_tokens;
  row.estimated_output_tokens = record.estimated_output_tokens;
  // What an earlier version left in the spool has none.
  row.limits = record.limits ?? [];
  row.proxy_id = record.proxy_id;
  row.proxy_epoch = record.proxy_epoch;
  row.proxy_seq = record.proxy_seq;
  row.leaf_hash = leafHash;
}

function fillFromFinish(row: RunVersionRow, record: FinishRecord): void {
  row.version = isRecovered(record) ? 2 : 3;
  row.status = record.status;
  row.outcome = record.outcome;
  row.proximity = record.proximity;
  row.input_tokens = record.usage.input_tokens;
  row.output_tokens = record.usage.output_tokens;
  row.cached_input_tokens = record.usage.cached_input_tokens;
  row.cache_write_tokens = record.usage.cache_write_tokens;
  row.reasoning_tokens = record.usage.reasoning_tokens;
  row.cache_write_1h_tokens = record.usage.cache_write_1h_tokens ?? null;
  row.input_audio_tokens = record.usage.input_audio_tokens ?? null;
  row.cached_audio_tokens = record.usage.cached_audio_tokens ?? null;
  row.output_audio_tokens = record.usage.output_audio_tokens ?? null;
  row.input_image_tokens = record.usage.input_image_tokens ?? null;
  row.output_image_tokens = record.usage.output_image_tokens ?? null;
  row.usage_source = record.usage_source;
  row.cost_nano_usd = record.cost_nano_usd;
  row.latency_ms = record.latency_ms;
  row.ttft_ms = record.ttft_ms;
  row.altered = record.altered;
  row.started_at = record.started_at;
  row.ended_at = record.ended_at;
  row.count = record.count;
  row.marks = record.marks;
  row.refusal_code = record.refusal_code;
  row.reason = record.reason;
  row.http_status = record.http_status;
  row.events = record.events;
  row.request_bytes = record.request_bytes;
  row.response_bytes = record.response_bytes;
}

/** What recovery closes is abandoned, or a refusal that stood for others. */
function isRecovered({ status, proxy_id: recorder }: FinishRecord): boolean {
  return status === 'abandoned' || recorder.endsWith(recoverySuffix);
}

function fillFromOpen(row: RunVersionRow, open: OpenValues): void {
  const { actor, session, tags, context, decision, decisions } = open;
  if (actor !== undefined) {
    row.actor_type = actor.type;
    row.actor_id = actor.id;
    row.actor_source = actor.source;
    row.actor_salt = actor.salt;
  }
  if (session !== undefined) {
    row.session_id = session.id;
    row.session_salt = session.salt;
  }
  if (tags !== undefined) {
    row.tags = tags.values;
    row.tags_salt = tags.salt;
  }
  if (context !== undefined) {
    row.context = JSON.stringify(context.value);
    row.context_digest = context.digest;
    row.context_salt = context.salt;
  }
  if (decision !== undefined) row.decision = JSON.stringify(decision);
  if (decisions !== undefined) row.decisions = JSON.stringify(decisions);
  row.request_salt = open.request_salt ?? null;
  row.response_salt = open.response_salt ?? null;
}

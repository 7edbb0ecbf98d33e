import type { FinishRecord, IntentRecord, OpenValues } from '../../storage/schema/record.ts';
import { noUsage } from '../../storage/schema/run.ts';
import type { RunVersionRow } from './rows.ts';

type FromOpen = Pick<
  RunVersionRow,
  | 'session_id'
  | 'actor_type'
  | 'actor_id'
  | 'actor_source'
  | 'tags'
  | 'context_digest'
  | 'context'
  | 'decision'
  | 'actor_salt'
  | 'session_salt'
  | 'tags_salt'
  | 'context_salt'
  | 'request_salt'
  | 'response_salt'
>;

type FromBoth = Pick<
  RunVersionRow,
  | 'run_id'
  | 'tenant'
  | 'sub_tenant'
  | 'key_id'
  | 'provider'
  | 'dialect'
  | 'model'
  | 'method'
  | 'route'
  | 'streamed'
  | 'verdict'
  | 'decided_by'
  | 'snapshot_id'
  | 'decision_digest'
  | 'reserved_nano_usd'
  | 'estimated_input_tokens'
  | 'estimated_output_tokens'
  | 'proxy_id'
  | 'proxy_epoch'
  | 'proxy_seq'
  | 'leaf_hash'
>;

/** Version 1 of a run: it is running. What only its end can tell is null. */
export function runningRow(record: IntentRecord, open: OpenValues, leafHash: string): RunVersionRow {
  return {
    ...readBoth(record, leafHash),
    ...readOpen(open),
    version: 1,
    status: 'running',
    outcome: null,
    proximity: null,
    ...noUsage,
    usage_source: 'none',
    cost_nano_usd: null,
    latency_ms: null,
    ttft_ms: null,
    altered: false,
    started_at: record.at_ms,
    ended_at: null,
    count: 1,
    marks: [],
    refusal_code: null,
    reason: null,
    http_status: null,
    events: [],
    request_bytes: 0,
    response_bytes: 0,
  };
}

/** The terminal version of a run: 3, or 2 where recovery closed it, so that a real finish still wins. */
export function terminalRow(record: FinishRecord, open: OpenValues, leafHash: string): RunVersionRow {
  return {
    ...readBoth(record, leafHash),
    ...readOpen(open),
    version: record.status === 'abandoned' ? 2 : 3,
    status: record.status,
    outcome: record.outcome,
    proximity: record.proximity,
    ...record.usage,
    usage_source: record.usage_source,
    cost_nano_usd: record.cost_nano_usd,
    latency_ms: record.latency_ms,
    ttft_ms: record.ttft_ms,
    altered: record.altered,
    started_at: record.started_at,
    ended_at: record.ended_at,
    count: record.count,
    marks: record.marks,
    refusal_code: record.refusal_code,
    reason: record.reason,
    http_status: record.http_status,
    events: record.events,
    request_bytes: record.request_bytes,
    response_bytes: record.response_bytes,
  };
}

function readBoth(record: IntentRecord | FinishRecord, leafHash: string): FromBoth {
  return {
    run_id: record.run_id,
    tenant: record.tenant === '' ? null : record.tenant,
    sub_tenant: record.sub_tenant,
    key_id: record.key_id,
    provider: record.provider,
    dialect: record.dialect,
    model: record.model,
    method: record.method,
    route: record.route,
    streamed: record.streamed,
    verdict: record.verdict,
    decided_by: record.decided_by,
    snapshot_id: record.snapshot_id,
    decision_digest: record.decision_digest,
    reserved_nano_usd: record.reserved_nano_usd,
    estimated_input_tokens: record.estimated_input_tokens,
    estimated_output_tokens: record.estimated_output_tokens,
    proxy_id: record.proxy_id,
    proxy_epoch: record.proxy_epoch,
    proxy_seq: record.proxy_seq,
    leaf_hash: leafHash,
  };
}

function readOpen(open: OpenValues): FromOpen {
  return {
    session_id: open.session?.id ?? null,
    actor_type: open.actor?.type ?? null,
    actor_id: open.actor?.id ?? null,
    actor_source: open.actor?.source ?? null,
    tags: open.tags?.values ?? {},
    context_digest: open.context?.digest ?? null,
    context: open.context === undefined ? null : JSON.stringify(open.context.value),
    decision: open.decision === undefined ? null : JSON.stringify(open.decision),
    actor_salt: open.actor?.salt ?? null,
    session_salt: open.session?.salt ?? null,
    tags_salt: open.tags?.salt ?? null,
    context_salt: open.context?.salt ?? null,
    request_salt: open.request_salt ?? null,
    response_salt: open.response_salt ?? null,
  };
}

import { canonicalJson } from '../../policy/evidence/index.ts';
import type {
  FinishRecord,
  Frame,
  IntentRecord,
  MarkHead,
  OpenValues,
  PayloadHead,
  RaiseHead,
  SettledRecord,
} from '../../storage/schema/record.ts';

const zeros = '0'.repeat(64);
const commitments = { actor: zeros, session: null, tags: null, context: zeros, request: zeros, response: null };

/** For tests: what every sample record has in common. */
export interface SampleHead {
  seq: number;
  epoch?: number;
  tenant?: string;
  atMs?: number;
}

const startMs = 1_780_000_000_000;

function head(sample: SampleHead) {
  return {
    v: 1 as const,
    proxy_id: 'p',
    proxy_epoch: sample.epoch ?? 1,
    proxy_seq: sample.seq,
    tenant: sample.tenant ?? 'acme',
    at_ms: sample.atMs ?? startMs + sample.seq,
  };
}

const about = {
  sub_tenant: 'research',
  key_id: 'key_1',
  provider: 'simulator',
  dialect: 'openai-chat',
  model: 'sim-small',
  method: 'POST',
  route: '/v1/chat/completions',
  streamed: false,
  snapshot_id: zeros,
  decision_digest: zeros,
  decided_by: null,
  reserved_nano_usd: '9000000',
  worst_case_nano_usd: '9000000',
  estimated_input_tokens: 12,
  estimated_output_tokens: 300,
  limits: [],
};

/** For tests: erasable values with everything in them. */
export const sampleOpenValues: OpenValues = {
  actor: { salt: '0a', type: 'human', id: 'user-a', source: 'asserted' },
  session: { salt: '0b', id: 'session-1' },
  tags: { salt: '0c', values: { team: 'red' } },
  context: {
    salt: '0d',
    digest: zeros,
    value: { v: 1, phase: 'request', at_ms: startMs, facts: { 'request.model': 'sim-small' }, missing: [] },
  },
  request_salt: '0e',
};

/** For tests: an intent record. */
export function sampleIntent(sample: SampleHead & { runId: string }): IntentRecord {
  return { ...head(sample), ...about, kind: 'intent', run_id: sample.runId, verdict: 'allow', commitments };
}

/** For tests: the finish record of a run that succeeded. */
export function sampleFinish(sample: SampleHead & { runId: string } & Partial<FinishRecord>): FinishRecord {
  const { seq, epoch, atMs, runId, ...changes } = sample;
  const common = head(sample);
  return {
    ...common,
    ...about,
    kind: 'finish',
    run_id: runId,
    status: 'succeeded',
    outcome: 'success',
    proximity: 'ok',
    verdict: 'allow',
    refusal_code: null,
    reason: null,
    http_status: 200,
    usage: {
      input_tokens: 10,
      output_tokens: 20,
      cached_input_tokens: 0,
      cache_write_tokens: null,
      reasoning_tokens: null,
    },
    usage_source: 'provider',
    cost_nano_usd: '13500',
    latency_ms: 25,
    ttft_ms: 7,
    altered: false,
    started_at: common.at_ms - 25,
    ended_at: common.at_ms,
    count: 1,
    marks: [],
    events: [{ stage: 'finish', at_us: 25_000, detail: 'succeeded' }],
    request_bytes: 100,
    response_bytes: 200,
    commitments,
    ...changes,
  };
}

/** For tests: a record of settled runs. */
export function sampleSettled(sample: SampleHead & { runs: readonly string[] }): SettledRecord {
  return { ...head(sample), kind: 'settled', runs: sample.runs };
}

/** For tests: the frame that the proxy would append. */
export function recordFrame(
  record: IntentRecord | FinishRecord | SettledRecord,
  open: OpenValues | null = null,
): Frame {
  const tail = open === null ? Buffer.alloc(0) : Buffer.from(JSON.stringify(open));
  return { kind: 'record', seq: record.proxy_seq, head: Buffer.from(canonicalJson(record)), tail };
}

/** For tests: a mark frame. */
export function markFrame(tenant: string, counterEpoch: string): Frame {
  const mark: MarkHead = { v: 1, kind: 'mark', tenant, counter_epoch: counterEpoch, at_ms: startMs };
  return { kind: 'mark', seq: 0, head: Buffer.from(canonicalJson(mark)), tail: Buffer.alloc(0) };
}

/** For tests: what a run under way has come to, as the frame that its proxy appends. */
export function raiseFrame(runId: string, amount: string, parts: Partial<RaiseHead> = {}): Frame {
  const charge = { id: 'budget', reserved: amount, settled: amount, taken: null, ceiling: '1000', near: false };
  const raise: RaiseHead = {
    ...{ v: 1, kind: 'raise', run_id: runId, tenant: 'acme', at_ms: startMs, limits: [charge] },
    ...{ reserved_nano_usd: amount, worst_case_nano_usd: null, ...parts },
  };
  const tail = Buffer.from(JSON.stringify({ settle: [{ key: 'budget', amount }] }));
  return { kind: 'raise', seq: 0, head: Buffer.from(JSON.stringify(raise)), tail };
}

/** For tests: a payload frame. */
export function payloadFrame(runId: string, part: 'request' | 'response', body: Buffer): Frame {
  const payloadHead: PayloadHead = {
    run_id: runId,
    tenant: 'acme',
    part,
    content_type: 'application/json',
    content_encoding: null,
    whole_bytes: body.length,
    stored_bytes: body.length,
  };
  return { kind: 'payload', seq: 0, head: Buffer.from(JSON.stringify(payloadHead)), tail: body };
}

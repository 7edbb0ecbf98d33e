import { canonicalJson } from '../../policy/evidence/index.ts';
import { settleAmounts } from '../../policy/limits/index.ts';
import { classifyOutcome } from '../../policy/outcome/index.ts';
import type { FinishRecord, OpenValues, PayloadHead, SettleItem } from '../../storage/schema/record.ts';
import type { Proximity, RunStatus } from '../../storage/schema/run.ts';
import type { AnswerFacts } from '../dialects/dialect.ts';
import type { Captured } from './capture.ts';
import { computeBill } from './bill.ts';
import { findHeader } from './headers.ts';
import type { Gate, UpstreamHead } from './ports.ts';
import { proximityOf } from './reserve.ts';
import { closeStage, type Refusal, type Run } from './run.ts';
import { sealRun } from './seal.ts';

/** How a run ended. */
export interface Ending {
  status: Exclude<RunStatus, 'running'>;
  refusal: Refusal | null;
  head: UpstreamHead | null;
  httpStatus: number | null;
  facts: AnswerFacts | null;
  captured: Captured | null;
  streamed: boolean;
  ttftMs: number | null;
  altered: boolean;
  /** 1, or how many identical refusals this record stands for. */
  count: number;
}

/**
 * Stage 9: the run's terminal record, appended before the caller can see that the answer is complete.
 *
 * Throws HocError `spool_full` where it cannot be appended; the caller then breaks the answer off rather than let a run
 * end unrecorded. What was reserved is handed to the settler, which waits for nothing.
 */
export function finish(gate: Gate, run: Run, ending: Ending): void {
  closeStage(gate, run, 'finish', ending.status);
  const endedAtMs = gate.clock.nowMs();
  const bill = computeBill(run, ending);
  const refusedByLimit = ending.refusal?.code === 'limit_exceeded';
  const proximity = proximityOf(run, refusedByLimit);
  const plan = run.reserved?.plan ?? null;
  const settle: readonly SettleItem[] =
    plan === null || ending.refusal !== null ? [] : settleAmounts(plan, { costNanoUsd: bill.costNanoUsd });
  const sealed = run.sealed ?? sealRun(gate.ids, run);
  const open: OpenValues = { ...sealed.open };
  if (ending.captured !== null) open.response_salt = ending.captured.salt;
  if (settle.length > 0) open.settle = settle;
  appendResponsePayload(gate, run, ending);
  const seq = gate.spool.nextSeq();
  const record = buildRecord(gate, run, { ending, endedAtMs, bill, proximity, seq });
  record.commitments = { ...sealed.commitments, response: ending.captured?.commitment ?? null };
  gate.spool.append({
    kind: 'record',
    seq,
    head: Buffer.from(canonicalJson(record)),
    tail: Buffer.from(JSON.stringify(open)),
  });
  if (settle.length > 0) {
    const items = settle.map((item) => ({ key: item.key, amount: BigInt(item.amount) }));
    gate.settler.add(record.tenant, run.id, items);
  }
  report(gate, run, record);
}

function buildRecord(
  gate: Gate,
  run: Run,
  input: { ending: Ending; endedAtMs: number; bill: ReturnType<typeof computeBill>; proximity: Proximity; seq: number },
): FinishRecord {
  const { ending, bill } = input;
  const { identified, read } = run;
  return {
    v: 1,
    kind: 'finish',
    proxy_id: gate.spool.proxyId,
    proxy_epoch: gate.spool.epoch,
    proxy_seq: input.seq,
    tenant: identified?.tenant.tenant ?? run.suspect?.tenant ?? '',
    at_ms: input.endedAtMs,
    run_id: run.id,
    sub_tenant: identified?.key.sub_tenant ?? null,
    key_id: identified?.key.id ?? run.suspect?.keyId ?? null,
    provider: identified?.provider.slug ?? null,
    dialect: read?.dialect.id ?? null,
    model: read?.facts.model ?? null,
    method: run.call.method,
    route: identified?.route.path ?? '',
    streamed: ending.streamed,
    status: ending.status,
    outcome: classifyOutcome({ status: ending.status, proximity: input.proximity }),
    proximity: input.proximity,
    verdict: ending.refusal === null ? (run.decided?.decision.verdict ?? 'allow') : 'deny',
    decided_by: ending.refusal === null ? (run.decided?.decision.owner ?? null) : ending.refusal.owner,
    refusal_code: ending.refusal?.code ?? null,
    reason: ending.refusal?.message ?? null,
    http_status: ending.httpStatus,
    usage: bill.usage,
    usage_source: bill.usageSource,
    cost_nano_usd: bill.costNanoUsd?.toString() ?? null,
    reserved_nano_usd: run.reserved?.plan?.moneyReservedNanoUsd?.toString() ?? null,
    estimated_input_tokens: read?.facts.estimatedInputTokens ?? null,
    estimated_output_tokens: bill.estimatedOutputTokens,
    latency_ms: Math.max(0, Math.round((gate.clock.nowUs() - run.startedUs) / 1000)),
    ttft_ms: ending.ttftMs,
    snapshot_id: identified?.tenant.snapshotId ?? null,
    decision_digest: run.decided?.decisionDigest ?? null,
    altered: ending.altered,
    started_at: run.startedAtMs,
    ended_at: Math.max(input.endedAtMs, run.startedAtMs),
    count: ending.count,
    marks: [...run.marks].sort(),
    events: run.events,
    request_bytes: read?.body.length ?? 0,
    response_bytes: ending.captured?.wholeBytes ?? 0,
    commitments: { actor: null, session: null, tags: null, context: null, request: null, response: null },
  };
}

function appendResponsePayload(gate: Gate, run: Run, ending: Ending): void {
  const tenant = run.identified?.tenant;
  if (tenant?.document.capture !== 'full' || ending.captured === null || ending.captured.wholeBytes === 0) return;
  const headers = ending.head?.headers ?? [];
  const head: PayloadHead = {
    run_id: run.id,
    tenant: tenant.tenant,
    part: 'response',
    content_type: findHeader(headers, 'content-type'),
    content_encoding: findHeader(headers, 'content-encoding'),
    whole_bytes: ending.captured.wholeBytes,
    stored_bytes: ending.captured.stored.length,
  };
  gate.spool.append({ kind: 'payload', seq: 0, head: Buffer.from(JSON.stringify(head)), tail: ending.captured.stored });
}

function report(gate: Gate, run: Run, record: FinishRecord): void {
  const reserved = run.reserved;
  reserved?.limits.forEach((limit, index) => {
    const reading = reserved.readings[index];
    const ceiling = Number(limit.ceiling);
    if (reading === undefined || ceiling <= 0) return;
    gate.telemetry.limitUsed(record.tenant, limit.id, Number(reading.used + reading.reserved) / ceiling);
  });
  gate.telemetry.runFinished({
    tenant: record.tenant,
    provider: record.provider ?? '',
    dialect: record.dialect ?? '',
    model: run.quote?.price?.id ?? '',
    status: record.status,
    verdict: record.verdict,
    refusalCode: record.refusal_code,
    inputTokens: record.usage.input_tokens ?? 0,
    outputTokens: record.usage.output_tokens ?? 0,
    costNanoUsd: BigInt(record.cost_nano_usd ?? '0'),
    latencyMs: record.latency_ms,
    ttftMs: record.ttft_ms,
    count: record.count,
    degraded: run.marks.has('redis_degraded'),
    stageUs: run.stageUs,
  });
}

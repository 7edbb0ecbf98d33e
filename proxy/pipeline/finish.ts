import { canonicalJson } from '../../policy/evidence/index.ts';
import { settleAmounts } from '../../policy/limits/index.ts';
import { classifyOutcome } from '../../policy/outcome/index.ts';
import type {
  Commitments,
  FinishRecord,
  Frame,
  OpenValues,
  PayloadHead,
  SettleItem,
} from '../../storage/schema/record.ts';
import { type Bill, computeBill } from './bill.ts';
import type { Ending } from './ending.ts';
import { findHeader } from './headers.ts';
import { proximityOf } from './reserve.ts';
import { closeStage, type Run } from './run.ts';
import { sealRun } from './seal.ts';

/**
 * Stage 9: the run's terminal record, appended before the caller can see that the answer is complete.
 *
 * Throws HocError `spool_full` where it cannot be appended; the caller then breaks the answer off rather than let a run
 * end unrecorded. What was reserved is handed to the settler, which waits for nothing.
 */
export function finish(run: Run, ending: Ending): void {
  const { gate } = run;
  const bill = computeBill(run, ending);
  closeStage(run, 'finish', run.marks.has('overrun') ? 'overrun' : ending.status);
  const plan = run.reserved?.plan ?? null;
  const settle: readonly SettleItem[] =
    plan === null || ending.refusal !== null ? [] : settleAmounts(plan, { costNanoUsd: bill.costNanoUsd });
  const sealed = run.sealed ?? sealRun(gate.ids, run);
  const open: OpenValues = { ...sealed.open };
  if (ending.captured !== null) open.response_salt = ending.captured.salt;
  if (settle.length > 0) open.settle = settle;
  const seq = gate.spool.nextSeq();
  const commitments = { ...sealed.commitments, response: ending.captured?.commitment ?? null };
  const record = buildRecord(run, ending, { bill, seq, commitments });
  const tail = Buffer.from(JSON.stringify(open));
  gate.spool.append(...capturedAnswer(run, ending), {
    kind: 'record',
    seq,
    head: Buffer.from(canonicalJson(record)),
    tail,
  });
  if (settle.length > 0) {
    const items = settle.map((item) => ({ key: item.key, amount: BigInt(item.amount) }));
    gate.settler.add(record.tenant, run.id, items);
  }
  report(run, record);
}

interface Sums {
  bill: Bill;
  seq: number;
  commitments: Commitments;
}

function buildRecord(run: Run, ending: Ending, sums: Sums): FinishRecord {
  const { clock, spool } = run.gate;
  const { identified, read } = run;
  const who = identified ?? run.suspect;
  const endedAtMs = Math.max(clock.nowMs(), run.startedAtMs);
  const proximity = proximityOf(run, ending.refusal?.code === 'limit_exceeded');
  return {
    v: 1,
    kind: 'finish',
    proxy_id: spool.proxyId,
    proxy_epoch: spool.epoch,
    proxy_seq: sums.seq,
    tenant: who?.tenant.tenant ?? '',
    at_ms: endedAtMs,
    run_id: run.id,
    sub_tenant: who?.key.sub_tenant ?? null,
    key_id: who?.key.id ?? null,
    provider: identified?.provider.slug ?? run.suspect?.provider ?? null,
    dialect: read?.dialect.id ?? null,
    model: read?.facts.model ?? null,
    method: run.call.method,
    route: identified?.route.path ?? '',
    streamed: ending.streamed,
    status: ending.status,
    outcome: classifyOutcome({ status: ending.status, proximity }),
    proximity,
    ...describeVerdict(run, ending),
    ...describeBill(run, sums.bill),
    latency_ms: Math.max(0, Math.round((clock.nowUs() - run.startedUs) / 1000)),
    ttft_ms: ending.ttftMs,
    snapshot_id: who?.tenant.snapshotId ?? null,
    altered: ending.altered,
    started_at: run.startedAtMs,
    ended_at: endedAtMs,
    count: ending.count,
    marks: [...run.marks].sort(),
    events: run.events,
    request_bytes: read?.body.length ?? 0,
    response_bytes: ending.captured?.wholeBytes ?? 0,
    commitments: sums.commitments,
  };
}

function describeVerdict(run: Run, { refusal, httpStatus }: Ending) {
  const decision = run.decided?.decision;
  return {
    verdict: refusal === null ? (decision?.verdict ?? 'allow') : ('deny' as const),
    decided_by: refusal === null ? (decision?.owner ?? null) : refusal.owner,
    refusal_code: refusal?.code ?? null,
    reason: refusal?.message ?? null,
    http_status: httpStatus,
    decision_digest: run.decided?.decisionDigest ?? null,
  };
}

function describeBill(run: Run, bill: Bill) {
  return {
    usage: bill.usage,
    usage_source: bill.usageSource,
    cost_nano_usd: bill.costNanoUsd?.toString() ?? null,
    reserved_nano_usd: run.reserved?.plan?.moneyReservedNanoUsd?.toString() ?? null,
    estimated_input_tokens: run.read?.facts.estimatedInputTokens ?? null,
    estimated_output_tokens: bill.estimatedOutputTokens,
  };
}

function capturedAnswer(run: Run, ending: Ending): Frame[] {
  const tenant = run.identified?.tenant;
  if (tenant?.document.capture !== 'full' || ending.captured === null || ending.captured.wholeBytes === 0) return [];
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
  return [{ kind: 'payload', seq: 0, head: Buffer.from(JSON.stringify(head)), tail: ending.captured.stored }];
}

function report(run: Run, record: FinishRecord): void {
  const { telemetry } = run.gate;
  const reserved = run.reserved;
  reserved?.limits.forEach((limit, index) => {
    const reading = reserved.readings[index];
    const ceiling = Number(limit.ceiling);
    if (reading === undefined || ceiling <= 0) return;
    telemetry.limitUsed(record.tenant, limit.id, Number(reading.used + reading.reserved) / ceiling);
  });
  telemetry.runFinished({
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

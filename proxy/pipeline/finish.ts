import { canonicalJson } from '../../policy/evidence/index.ts';
import type { RunProgress } from '../../policy/limits/index.ts';
import { classifyOutcome } from '../../policy/outcome/index.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type {
  Commitments,
  FinishRecord,
  Frame,
  OpenValues,
  PayloadHead,
  PhaseVerdict,
} from '../../storage/schema/record.ts';
import { type Bill, computeBill } from './bill.ts';
import { type Charged, chargeOutcome, chargeRefused } from './charges.ts';
import type { Ending } from './ending.ts';
import { findHeader } from './headers.ts';
import { moneyReservedFor, settlementOf } from './raise-record.ts';
import { reportRun } from './report.ts';
import { proximityOf } from './reserve.ts';
import { closeStage, mayBeHeld, type Run } from './run.ts';
import { sealPhases, sealRun } from './seal.ts';
import { settleRun } from './top-up.ts';

/**
 * Stage 9: the run's terminal record, appended before the caller can see that the answer is complete.
 *
 * Throws HocError `spool_full` where it cannot be appended; the caller then breaks the answer off rather than let it be
 * seen to end. A run that has an intent is recorded as that once the spool takes records again, and holds until then what
 * it reserved. What was reserved is handed to the settler, which waits for nothing.
 */
export function finish(run: Run, ending: Ending): void {
  const { gate } = run;
  const moneyReserved = moneyReservedFor(run.reserved);
  const bill = computeBill(run, ending, moneyReserved);
  const charged = chargeRun(run, ending, bill);
  if (charged.charges.some(isOverrun)) run.marks.add('overrun');
  closeStage(run, 'finish', run.marks.has('overrun') ? 'overrun' : ending.status);
  const sealed = run.sealed ?? sealRun(gate.ids, run);
  const open: OpenValues = { ...sealed.open };
  if (ending.captured?.commitment) open.response_salt = ending.captured.salt;
  if (charged.settle.length > 0) Object.assign(open, settlementOf(run, charged.settle));
  const phases = sealPhases(gate.ids, run);
  if (phases !== null) open.decisions = phases.open;
  const commitments = { ...sealed.commitments, response: ending.captured?.commitment ?? null };
  const sums = { bill, charged, commitments, moneyReserved, open, verdicts: phases?.verdicts ?? null };
  try {
    conclude(run, appendFinish(run, ending, sums), charged);
  } catch (error) {
    if (run.sealed !== null && isFull(error)) endLater(run, brokenOff(ending), sums);
    throw error;
  }
}

function conclude(run: Run, record: FinishRecord, { settle }: Charged): void {
  if (settle.length > 0) settleRun(run, record.tenant, settle);
  reportRun(run, record);
}

/** How a run ended whose end could not be recorded: its caller did not get the end of its answer, and nobody kept it. */
function brokenOff(ending: Ending): Ending {
  const captured = ending.captured === null ? null : { ...ending.captured, stored: null };
  return { ...ending, status: ending.status === 'succeeded' ? 'failed' : ending.status, captured };
}

function endLater(run: Run, ending: Ending, sums: Sums): void {
  run.endsLate = true;
  if (ending.captured?.wholeBytes) run.marks.add('payload_dropped');
  const { clock, spool, lateEnds } = run.gate;
  const ended = buildRecord(run, ending, sums);
  lateEnds.add(() => {
    const record = { ...ended, proxy_seq: spool.nextSeq(), at_ms: Math.max(clock.nowMs(), ended.at_ms) };
    conclude(run, append(run, { payload: [], record, open: sums.open }), sums.charged);
  });
}

function isFull(error: unknown): boolean {
  return error instanceof HocError && error.code === 'spool_full';
}

function chargeRun(run: Run, ending: Ending, bill: Bill): Charged {
  const { reserved } = run;
  if (reserved === null || run.sealed === null || ending.status === 'blocked') {
    return chargeRefused(reserved, mayBeHeld(run));
  }
  return chargeOutcome(run, reserved, bill.outcome);
}

function isOverrun(charge: Charged['charges'][number]): boolean {
  return BigInt(charge.settled) > BigInt(charge.reserved);
}

interface Sums {
  bill: Bill;
  charged: Charged;
  commitments: Commitments;
  moneyReserved: bigint | null;
  open: OpenValues;
  /** Null where the run's own decision is the only one. */
  verdicts: readonly PhaseVerdict[] | null;
}

/** Appends the record with the answer's payload, or without it where only that does not fit any more. */
function appendFinish(run: Run, ending: Ending, sums: Sums): FinishRecord {
  const payload = capturedAnswer(run, ending);
  try {
    return append(run, { payload, record: buildRecord(run, ending, sums), open: sums.open });
  } catch (error) {
    if (payload.length === 0 || !isFull(error)) throw error;
    run.marks.add('payload_dropped');
    return append(run, { payload: [], record: buildRecord(run, ending, sums), open: sums.open });
  }
}

function append(
  { gate }: Run,
  { payload, record, open }: { payload: Frame[]; record: FinishRecord; open: OpenValues },
): FinishRecord {
  gate.spool.append(...payload, {
    kind: 'record',
    seq: record.proxy_seq,
    head: Buffer.from(canonicalJson(record)),
    tail: Buffer.from(JSON.stringify(open)),
  });
  return record;
}

function buildRecord(run: Run, ending: Ending, sums: Sums): FinishRecord {
  const { clock, spool } = run.gate;
  const { identified, read } = run;
  const who = identified ?? run.suspect;
  const endedAtMs = Math.max(clock.nowMs(), run.startedAtMs);
  const proximity = proximityOf(run, ending.refusal?.code === 'limit_exceeded', () => progressOf(run, sums.bill));
  return {
    v: 1,
    kind: 'finish',
    proxy_id: spool.proxyId,
    proxy_epoch: spool.epoch,
    proxy_seq: spool.nextSeq(),
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
    ...describeBill(run, sums),
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
    limits: sums.charged.charges,
    ...(sums.verdicts === null ? {} : { decisions: sums.verdicts }),
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

/** What the run took, for its caps; tokens that nobody told are left out. */
function progressOf(run: Run, { outcome }: Bill): RunProgress {
  return {
    inputTokens: BigInt(outcome.usage?.input_tokens ?? 0),
    outputTokens: BigInt(outcome.usage?.output_tokens ?? 0),
    costNanoUsd: outcome.costNanoUsd,
    elapsedMs: (run.gate.clock.nowUs() - run.startedUs) / 1000,
  };
}

function describeBill(run: Run, { bill, moneyReserved }: Sums) {
  return {
    usage: bill.usage,
    usage_source: bill.usageSource,
    cost_nano_usd: bill.costNanoUsd?.toString() ?? null,
    reserved_nano_usd: moneyReserved?.toString() ?? null,
    estimated_input_tokens: run.read?.facts.estimatedInputTokens ?? null,
    estimated_output_tokens: bill.estimatedOutputTokens,
  };
}

function capturedAnswer(run: Run, ending: Ending): Frame[] {
  const tenant = run.identified?.tenant.tenant;
  if (tenant === undefined || !run.keepsPayloads || !ending.captured?.wholeBytes) return [];
  const { stored, wholeBytes, redacted } = ending.captured;
  if (stored === null || run.gate.spool.room(tenant) !== 'all') {
    run.marks.add('payload_dropped');
    return [];
  }
  const headers = ending.head?.headers ?? [];
  const head: PayloadHead = {
    run_id: run.id,
    tenant,
    part: 'response',
    content_type: redacted === null ? findHeader(headers, 'content-type') : redacted.contentType,
    content_encoding: redacted === null ? findHeader(headers, 'content-encoding') : null,
    whole_bytes: wholeBytes,
    stored_bytes: stored.length,
    ...(redacted === null ? {} : { redacted: true }),
  };
  return [{ kind: 'payload', seq: 0, head: Buffer.from(JSON.stringify(head)), tail: stored }];
}

import { canonicalJson } from '../../policy/evidence/index.ts';
import { HocError, refusalCatalogue } from '../../storage/schema/errors.ts';
import type { Frame, IntentRecord, OpenValues, PayloadHead } from '../../storage/schema/record.ts';
import { type Charged, chargeRefused, chargeWorstCase } from './charges.ts';
import { computeMostCost, moneyReservedFor, settlementOf } from './raise-record.ts';
import {
  closeStage,
  type Identified,
  isRefusal,
  type Read,
  type Refusal,
  type Reserved,
  type Run,
  refuse,
} from './run.ts';
import { noCommitments, sealRun } from './seal.ts';

/** Proof that the run stands in the spool; `forward` takes nothing else. */
export interface Intended {
  identified: Identified;
  /** As it came. */
  asked: Read;
  request: Read;
  reserved: Reserved;
}

/**
 * Stage 6: the run is on record before any byte of it goes upstream.
 *
 * Fails closed: where the spool is full or the disk fails, the run is refused (503) and its reservation given back.
 */
export function intent(run: Run, permit: Intended): Intended | Refusal {
  const result = appendIntent(run, permit);
  closeStage(run, 'intent', isRefusal(result) ? `refused:${result.code}` : 'ok');
  return result;
}

function appendIntent(run: Run, permit: Intended): Intended | Refusal {
  const { gate } = run;
  const { tenant, document } = permit.identified.tenant;
  const room = gate.spool.room(tenant);
  if (room === 'none') return spoolFull();
  const keeps = document.capture !== 'metadata';
  run.keepsPayloads = keeps && room === 'all';
  if (keeps && room === 'metadata') run.marks.add('payload_dropped');
  run.sealed = sealRun(gate.ids, run);
  const charged = chargeWorstCase(run, permit.reserved);
  const { settle } = charged;
  const open: OpenValues = settle.length > 0 ? { ...run.sealed.open, ...settlementOf(run, settle) } : run.sealed.open;
  try {
    const seq = gate.spool.nextSeq();
    gate.spool.append(...capturedRequest(run, permit), {
      kind: 'record',
      seq,
      head: Buffer.from(canonicalJson(buildRecord(run, permit, { seq, charged }))),
      tail: Buffer.from(JSON.stringify(open)),
    });
    run.bounded = charged.charges;
    return permit;
  } catch (error) {
    if (!(error instanceof HocError) || error.code !== 'spool_full') throw error;
    run.sealed = null;
    return spoolFull();
  }
}

function buildRecord(run: Run, permit: Intended, { seq, charged }: { seq: number; charged: Charged }): IntentRecord {
  const { spool, clock } = run.gate;
  const { identified, request, reserved } = permit;
  const { decided } = run;
  return {
    v: 1,
    kind: 'intent',
    proxy_id: spool.proxyId,
    proxy_epoch: spool.epoch,
    proxy_seq: seq,
    tenant: identified.tenant.tenant,
    at_ms: clock.nowMs(),
    run_id: run.id,
    sub_tenant: identified.key.sub_tenant,
    key_id: identified.key.id,
    provider: identified.provider.slug,
    dialect: request.dialect.id,
    model: request.facts.model,
    method: identified.route.method,
    route: identified.route.path,
    streamed: request.facts.streamed,
    snapshot_id: identified.tenant.snapshotId,
    decision_digest: decided?.decisionDigest ?? null,
    verdict: decided?.decision.verdict ?? 'allow',
    decided_by: decided?.decision.owner ?? null,
    reserved_nano_usd: moneyReservedFor(reserved)?.toString() ?? null,
    worst_case_nano_usd: computeMostCost(run, reserved)?.toString() ?? null,
    estimated_input_tokens: request.facts.estimatedInputTokens,
    estimated_output_tokens: null,
    limits: charged.charges,
    commitments: run.sealed?.commitments ?? noCommitments,
  };
}

/**
 * Puts a refused run on record that is to stand for others like it, before any of them is told its id: their number is in
 * its finish. Throws HocError `spool_full`.
 */
export function recordStanding(run: Run, refusal: Refusal): void {
  const { spool, clock, ids } = run.gate;
  const who = run.identified ?? run.suspect;
  run.sealed = sealRun(ids, run);
  const record: IntentRecord = {
    v: 1,
    kind: 'intent',
    proxy_id: spool.proxyId,
    proxy_epoch: spool.epoch,
    proxy_seq: spool.nextSeq(),
    tenant: who?.tenant.tenant ?? '',
    at_ms: clock.nowMs(),
    run_id: run.id,
    sub_tenant: who?.key.sub_tenant ?? null,
    key_id: who?.key.id ?? null,
    provider: run.identified?.provider.slug ?? run.suspect?.provider ?? null,
    dialect: run.read?.dialect.id ?? null,
    model: run.read?.facts.model ?? null,
    method: run.call.method,
    route: run.identified?.route.path ?? '',
    streamed: run.read?.facts.streamed ?? false,
    snapshot_id: who?.tenant.snapshotId ?? null,
    decision_digest: run.decided?.decisionDigest ?? null,
    verdict: 'deny',
    decided_by: refusal.owner,
    reserved_nano_usd: null,
    worst_case_nano_usd: null,
    estimated_input_tokens: run.read?.facts.estimatedInputTokens ?? null,
    estimated_output_tokens: null,
    limits: chargeRefused(run.reserved).charges,
    refusal: { code: refusal.code, reason: refusal.message, http_status: refusalCatalogue[refusal.code].status },
    commitments: run.sealed.commitments,
  };
  spool.append({
    kind: 'record',
    seq: record.proxy_seq,
    head: Buffer.from(canonicalJson(record)),
    tail: Buffer.from(JSON.stringify(run.sealed.open)),
  });
}

function spoolFull(): Refusal {
  const refusal = refuse('spool_full', 'Runs cannot be recorded right now, so none is let through.', 'capacity');
  return { ...refusal, retryAfterMs: 5000 };
}

function capturedRequest(run: Run, { identified, request }: Intended): Frame[] {
  if (!run.keepsPayloads || request.body.length === 0) return [];
  const { contentType, contentEncoding } = identified.headers;
  const redacts = identified.tenant.document.capture === 'redacted';
  const stored = redacts ? run.redactedRequest : request.body.subarray(0, run.gate.limits.maxCaptureBytes);
  if (stored === null) {
    run.marks.add('payload_dropped');
    return [];
  }
  const head: PayloadHead = {
    run_id: run.id,
    tenant: identified.tenant.tenant,
    part: 'request',
    content_type: contentType,
    content_encoding: redacts ? null : contentEncoding,
    whole_bytes: request.body.length,
    stored_bytes: stored.length,
    ...(redacts ? { redacted: true } : {}),
  };
  return [{ kind: 'payload', seq: 0, head: Buffer.from(JSON.stringify(head)), tail: stored }];
}

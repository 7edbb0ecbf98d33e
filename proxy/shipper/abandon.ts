import { canonicalJson } from '../../policy/evidence/index.ts';
import type { FinishRecord, IntentRecord, OpenValues } from '../../storage/schema/record.ts';
import { noUsage, type RunMark } from '../../storage/schema/run.ts';
import type { OpenRun } from './ledger.ts';

/** A record made by recovery: its canonical bytes and its erasable values, both as JSON. */
export interface RecoveryRecord {
  raw: string;
  open: string;
}

/** Ends the recorder identity under which a proxy's recovery writes, in the epoch of the dead proxy. */
export const recoverySuffix = '.recovery';

/**
 * Closes a run whose proxy died between intent and finish: status `abandoned`, outcome `failure`, everything known repeated
 * from the intent, and from what the run took since. What it cost cannot be known: its bound is its worst case, else what was reserved for it, named by
 * `usage_source: estimated`; without either the cost stays null, marked `unpriced`, and the usage `none`. The run ends at the last sign of life of its proxy.
 *
 * A refusal that stood for others is closed as what it is, `blocked`, with a count of 1.
 *
 * `lastAtMs` is that sign, `atMs` the time of closing, both Unix ms; `seq` is gapless from 1 within the dead epoch. Throws
 * where the intent's bytes are no intent record.
 */
export function closeAbandonedRun(
  run: OpenRun,
  closing: { proxyId: string; seq: number; atMs: number; lastAtMs: number },
): RecoveryRecord {
  const intent = raisedIntent(run);
  const endedAtMs = Math.max(intent.at_ms, closing.lastAtMs);
  const latencyMs = endedAtMs - intent.at_ms;
  const end = intent.refusal === undefined ? abandonedEnd(intent) : refusedEnd(intent.refusal);
  const record: FinishRecord = {
    ...repeatIntent(intent),
    v: 1,
    kind: 'finish',
    proxy_id: `${closing.proxyId}${recoverySuffix}`,
    proxy_epoch: run.epoch,
    proxy_seq: closing.seq,
    tenant: intent.tenant,
    at_ms: closing.atMs,
    run_id: intent.run_id,
    ...end,
    usage: noUsage,
    latency_ms: latencyMs,
    ttft_ms: null,
    altered: false,
    started_at: intent.at_ms,
    ended_at: endedAtMs,
    count: 1,
    events: [{ stage: 'finish', at_us: latencyMs * 1000, detail: end.status }],
    request_bytes: 0,
    response_bytes: 0,
  };
  return { raw: canonicalJson(record), open: raisedOpen(run) };
}

type End = Pick<
  FinishRecord,
  | 'status'
  | 'outcome'
  | 'proximity'
  | 'refusal_code'
  | 'reason'
  | 'http_status'
  | 'usage_source'
  | 'cost_nano_usd'
  | 'marks'
>;

function abandonedEnd(intent: IntentRecord): End {
  const bound = intent.worst_case_nano_usd ?? intent.reserved_nano_usd;
  return {
    status: 'abandoned',
    outcome: 'failure',
    proximity: 'ok',
    refusal_code: null,
    reason: 'The proxy ended before the run did.',
    http_status: null,
    usage_source: bound === null ? 'none' : 'estimated',
    cost_nano_usd: bound,
    marks: marksOf(intent, bound),
  };
}

/** A refusal that stood for others like it: how many these were died with the proxy. */
function refusedEnd({ code, reason, http_status }: NonNullable<IntentRecord['refusal']>): End {
  return {
    status: 'blocked',
    outcome: 'prevented',
    proximity: code === 'limit_exceeded' ? 'breach' : 'ok',
    refusal_code: code,
    reason: `${reason} (At least one run was refused so; the proxy ended before it could say how many.)`,
    http_status,
    usage_source: 'none',
    cost_nano_usd: '0',
    marks: [],
  };
}

/** The most that it can have come to may be more than was reserved for it, and more than a limit had left: that is told. */
function marksOf({ limits = [] }: IntentRecord, bound: string | null): RunMark[] {
  const isOverrun = limits.some(({ reserved, settled }) => BigInt(settled) > BigInt(reserved));
  return [
    ...(isOverrun ? ['overrun' as const] : []),
    ...(bound === null ? ['unpriced' as const] : []),
    'usage_missing',
  ];
}

/** The intent, with what the run took since then in place of what it began with. */
function raisedIntent({ raw, raise }: OpenRun): IntentRecord {
  const intent = JSON.parse(raw) as IntentRecord;
  if (raise === undefined) return intent;
  const { limits, reservedNanoUsd, worstCaseNanoUsd } = raise;
  return { ...intent, limits, reserved_nano_usd: reservedNanoUsd, worst_case_nano_usd: worstCaseNanoUsd };
}

function raisedOpen({ open, raise }: OpenRun): string {
  if (raise === undefined) return open;
  const values = (open === '' ? {} : JSON.parse(open)) as OpenValues;
  return JSON.stringify({ ...values, settle: raise.settle } satisfies OpenValues);
}

/** What a finish record says as its intent said it. */
function repeatIntent(intent: IntentRecord) {
  return {
    sub_tenant: intent.sub_tenant,
    key_id: intent.key_id,
    provider: intent.provider,
    dialect: intent.dialect,
    model: intent.model,
    method: intent.method,
    route: intent.route,
    streamed: intent.streamed,
    verdict: intent.verdict,
    decided_by: intent.decided_by,
    reserved_nano_usd: intent.reserved_nano_usd,
    estimated_input_tokens: intent.estimated_input_tokens,
    estimated_output_tokens: intent.estimated_output_tokens,
    snapshot_id: intent.snapshot_id,
    decision_digest: intent.decision_digest,
    limits: intent.limits ?? [],
    commitments: intent.commitments,
  };
}

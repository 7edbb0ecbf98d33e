import { chargeOfRefusal, explainRefusal } from '../../policy/limits/index.ts';
import { recordDecision } from '../../policy/rules/index.ts';
import type { Decision, DecisionContext, FactValue } from '../../storage/schema/decision.ts';
import type { Reading, ReserveReply } from '../../storage/schema/reservation.ts';
import { type Refusal, type Reserved, type Run, refuse } from './run.ts';

/** A limit's `no`: whose it is, in which words, and on what numbers. */
export interface LimitVerdict {
  limitId: string;
  reason: string;
  /** When the counter was asked. */
  reading: Reading | null;
  facts: Record<string, FactValue>;
  retryAfterMs: number | null;
}

/** Refuses a run that no reservation could ever hold: no price, no bound, or a cap that its estimate passes. */
export function refuseUnplanned(run: Run, reserved: Reserved, refusal: { limitId: string; reason: string }): Refusal {
  const { limitId, reason } = refusal;
  const facts = { limit: limitId, unplanned: reason };
  return refuseByLimit(run, reserved, { limitId, reason, reading: null, facts, retryAfterMs: null });
}

/** Refuses a run that did not fit, with the reading of the limit that it did not fit under. */
export function refuseByReading(
  run: Run,
  reserved: Reserved,
  { refused, readings }: ReserveReply & { kind: 'refused' },
): Refusal {
  const limit = reserved.plan.limits[refused];
  const item = reserved.plan.items[refused];
  const reading = readings[refused];
  if (limit === undefined || item === undefined || reading === undefined) {
    return refuse('engine_down', 'The limit counters gave an answer that does not fit the question.', 'capacity');
  }
  run.reserved = { ...reserved, readings };
  const { reason, retryAfterMs } = explainRefusal(limit, reading, item.amount);
  const facts = {
    limit: limit.id,
    used: Number(reading.used),
    reserved: Number(reading.reserved),
    amount: Number(item.amount),
    ceiling: Number(item.ceiling),
  };
  return refuseByLimit(run, run.reserved, { limitId: limit.id, reason, reading, facts, retryAfterMs });
}

/** Refuses a run before the wire: the limit owns the decision, and its charge stands on the run's record at nothing. */
export function refuseByLimit(run: Run, reserved: Reserved, verdict: LimitVerdict): Refusal {
  const { limitId, reason } = verdict;
  const { limits, caps } = reserved.plan;
  // A limit that no amount could be told for is in no plan.
  const known = [...limits, ...caps, ...(run.identified?.tenant.limits ?? [])];
  const limit = known.find((one) => one.id === limitId);
  const refusedBy = limit === undefined ? null : chargeOfRefusal(limit, verdict.reading);
  run.reserved = { ...reserved, held: false, refusedBy };
  decideByLimit(run, verdict, 'reserve');
  return { ...refuse('limit_exceeded', reason, `limit:${limitId}`), retryAfterMs: verdict.retryAfterMs };
}

/** Puts a limit's verdict on record as the run's decision, with the numbers it was made on. */
export function decideByLimit(
  run: Run,
  verdict: Pick<LimitVerdict, 'limitId' | 'reason' | 'facts'>,
  phase: 'reserve' | 'stream',
): void {
  const snapshotId = run.identified?.tenant.snapshotId;
  if (snapshotId === undefined) return;
  const decision: Decision = {
    verdict: 'deny',
    owner: `limit:${verdict.limitId}`,
    reason: verdict.reason,
    matched: [],
    shadow: [],
    modifications: [],
    tags: {},
  };
  const atMs = phase === 'reserve' ? run.startedAtMs : run.gate.clock.nowMs();
  const context: DecisionContext = { v: 1, phase, at_ms: atMs, facts: verdict.facts, missing: [] };
  run.decided = recordDecision(snapshotId, decision, context);
}

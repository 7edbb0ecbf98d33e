import { explainCut } from '../../policy/limits/index.ts';
import type { FactValue } from '../../storage/schema/decision.ts';
import type { ReservationItem, ReserveReply } from '../../storage/schema/reservation.ts';
import { decideByLimit } from './limit-refusal.ts';
import type { CutCause } from './ports.ts';
import { type Refusal, type Run, refuse } from './run.ts';
import { sealDecision } from './seal.ts';

/** Governance ends a run under way. */
export interface Cut {
  cause: CutCause;
  refusal: Refusal;
  /** The numbers it was decided on; null where no limit but the lack of counters decided. */
  verdict: { limitId: string; facts: Record<string, FactValue> } | null;
}

/** A top-up did not fit: names the limit with its reading and what more was wanted. */
export function cutByReading(
  run: Run,
  items: readonly ReservationItem[],
  reply: ReserveReply & { kind: 'refused' },
): Cut {
  const limit = run.reserved?.plan.limits[reply.refused];
  const reading = reply.readings[reply.refused];
  const wanted = items[reply.refused]?.amount ?? 0n;
  if (limit === undefined || reading === undefined) return cutWithoutCounters();
  const more = wanted - (run.reserved?.items[reply.refused]?.amount ?? 0n);
  const reason = explainCut(limit, reading, more);
  const facts = {
    limit: limit.id,
    used: Number(reading.used),
    reserved: Number(reading.reserved),
    amount: Number(more),
    ceiling: Number(limit.ceiling),
  };
  return cutByLimit('limit', { limitId: limit.id, reason, facts });
}

/** A cap on the run itself was passed, or its duration is over. */
export function cutByCap(cause: 'cap' | 'duration', cap: { limitId: string; reason: string }): Cut {
  return cutByLimit(cause, { ...cap, facts: { limit: cap.limitId, cap: cap.reason } });
}

/** A policy on the answer ended it; its decision stands on the run already. */
export function cutByPolicy(refusal: Refusal): Cut {
  return { cause: 'policy', refusal, verdict: null };
}

/** The answer cannot be read, so nothing tells what more of it would cost. */
export function cutUnmeasured(limitId: string): Cut {
  const reason = `Cut by limit ${limitId}: the answer cannot be read, so nothing bounds what it costs.`;
  return cutByLimit('unmeasured', { limitId, reason, facts: { limit: limitId, unmeasured: true } });
}

/** The counters did not answer a top-up for too long, and a limit does not allow runs without them. */
export function cutWithoutCounters(): Cut {
  const message = 'The limit counters are unavailable and this limit does not allow runs to go on without them.';
  return { cause: 'redis', refusal: refuse('engine_down', message, 'capacity'), verdict: null };
}

/** Its proxy was away for so long that the run was closed on record: nothing is held for it any more. */
export function cutAsGone(): Cut {
  const message = 'The run was closed while its proxy was away, and its limits hold nothing for it any more.';
  return { cause: 'gone', refusal: refuse('engine_down', message, 'capacity'), verdict: null };
}

/** What more the run takes cannot be put on record, so it takes no more. */
export function cutUnrecorded(): Cut {
  const message = 'Runs cannot be recorded right now, so none goes on beyond what is on record.';
  return { cause: 'spool', refusal: refuse('spool_full', message, 'capacity'), verdict: null };
}

function cutByLimit(cause: CutCause, why: { limitId: string; reason: string; facts: Record<string, FactValue> }): Cut {
  const { limitId, reason, facts } = why;
  return { cause, refusal: refuse('limit_exceeded', reason, `limit:${limitId}`), verdict: { limitId, facts } };
}

/** Puts the cut on record as the run's decision, with the numbers it was made on, and counts it. */
export function recordCut(run: Run, cut: Cut): void {
  run.gate.telemetry.runCut(cut.cause);
  if (cut.cause === 'redis') run.marks.add('redis_degraded');
  if (cut.verdict === null) return;
  decideByLimit(run, { ...cut.verdict, reason: cut.refusal.message }, 'stream');
  sealDecision(run.gate.ids, run);
}

import { computeProximity, explainRefusal, planReservation } from '../../policy/limits/index.ts';
import type { Decision, DecisionContext, FactValue } from '../../storage/schema/decision.ts';
import type { Reading } from '../../storage/schema/reservation.ts';
import type { Proximity } from '../../storage/schema/run.ts';
import { recordDecision } from './decide.ts';
import { actorName } from './identify.ts';
import {
  closeStage,
  type DecisionRecord,
  type Identified,
  isRefusal,
  type PriceQuote,
  type Read,
  type Refusal,
  type Reserved,
  type Run,
  refuse,
} from './run.ts';

type Plan = ReturnType<typeof planReservation>;

/**
 * Stage 5: every applicable limit reserved in one atomic call, or the first that does not fit named with its reading.
 *
 * Fails closed where Redis does not answer, unless every limit concerned says `allow`; then the run is marked.
 * A run without limits costs no call.
 */
export async function reserve(
  run: Run,
  permit: { identified: Identified; request: Read; quote: PriceQuote; decided: DecisionRecord },
): Promise<Reserved | Refusal> {
  const result = await reserveAll(run, permit);
  closeStage(run, 'reserve', isRefusal(result) ? `refused:${result.code}` : 'ok');
  return result;
}

async function reserveAll(
  run: Run,
  permit: { identified: Identified; request: Read; quote: PriceQuote },
): Promise<Reserved | Refusal> {
  const { gate } = run;
  const { identified, request, quote } = permit;
  const plan = planReservation(
    identified.tenant.limits,
    {
      subTenant: identified.key.sub_tenant,
      keyId: identified.key.id,
      keyName: identified.key.name,
      actor: actorName(run),
      model: request.facts.model,
      provider: identified.provider.slug,
      route: identified.route.path,
      tags: run.tags,
    },
    { worstCaseNanoUsd: quote.worstCaseNanoUsd, unboundedReason: quote.unboundedReason },
  );
  if (plan.skipped.length > 0) run.marks.add('limit_skipped');
  run.reserved = { plan, readings: [], limits: plan.limits };
  if (plan.refusal !== null) {
    const owner = `limit:${plan.refusal.limitId}`;
    return refuseByLimit(run, identified, {
      owner,
      reason: plan.refusal.reason,
      facts: { unplanned: plan.refusal.reason },
    });
  }
  if (plan.items.length === 0) return run.reserved;
  const reply = await gate.reservations.reserve({
    tenant: identified.tenant.tenant,
    runId: run.id,
    expiresInMs: gate.limits.reservationMs,
    items: plan.items,
  });
  if (reply.kind === 'granted') {
    run.reserved = { plan, readings: reply.readings, limits: plan.limits };
    return run.reserved;
  }
  run.reserved = { plan: null, readings: reply.kind === 'refused' ? reply.readings : [], limits: plan.limits };
  if (reply.kind === 'down') return withoutCounters(run, plan);
  return refuseByReading({ run, identified, plan }, reply.refused, reply.readings);
}

function withoutCounters(run: Run, plan: Plan): Reserved | Refusal {
  run.marks.add('redis_degraded');
  if (plan.redisDown === 'allow') return { plan: null, readings: [], limits: plan.limits };
  const refusal = refuse(
    'engine_down',
    'The limit counters are unavailable and this limit does not allow runs without them.',
    'capacity',
  );
  return { ...refusal, retryAfterMs: 1000 };
}

function refuseByReading(
  { run, identified, plan }: { run: Run; identified: Identified; plan: Plan },
  refused: number,
  readings: readonly Reading[],
): Refusal {
  const limit = plan.limits[refused];
  const item = plan.items[refused];
  const reading = readings[refused] ?? readings[0];
  if (limit === undefined || item === undefined || reading === undefined) {
    return refuse('engine_down', 'The limit counters gave an answer that does not fit the question.', 'capacity');
  }
  const { reason, retryAfterMs } = explainRefusal(limit, reading, item.amount);
  const refusal = refuseByLimit(run, identified, {
    owner: `limit:${item.limitId}`,
    reason,
    facts: {
      limit: item.limitId,
      used: Number(reading.used),
      reserved: Number(reading.reserved),
      amount: Number(item.amount),
      ceiling: Number(item.ceiling),
    },
  });
  return { ...refusal, retryAfterMs };
}

function refuseByLimit(
  run: Run,
  identified: Identified,
  cause: { owner: string; reason: string; facts: Record<string, FactValue> },
): Refusal {
  const decision: Decision = {
    verdict: 'deny',
    owner: cause.owner,
    reason: cause.reason,
    matched: [],
    shadow: [],
    modifications: [],
    tags: {},
  };
  const context: DecisionContext = { v: 1, phase: 'reserve', at_ms: run.startedAtMs, facts: cause.facts, missing: [] };
  run.decided = recordDecision(identified.tenant.snapshotId, decision, context);
  return refuse('limit_exceeded', cause.reason, cause.owner);
}

/** How near the run came to any of its limits. `breach` where one refused it. */
export function proximityOf(run: Run, refusedByLimit: boolean): Proximity {
  if (refusedByLimit) return 'breach';
  const reserved = run.reserved;
  if (reserved === null || reserved.plan === null || reserved.readings.length === 0) return 'ok';
  return computeProximity(reserved.plan, reserved.readings);
}

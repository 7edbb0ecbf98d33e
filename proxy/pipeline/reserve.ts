import { computeProximity, planReservation, type RunProgress } from '../../policy/limits/index.ts';
import type { Proximity } from '../../storage/schema/run.ts';
import { admit, noteSession } from './admit.ts';
import { computeAmounts, firstOutputTokens } from './amounts.ts';
import { actorName } from './identify.ts';
import { refuseByReading, refuseUnplanned } from './limit-refusal.ts';
import {
  closeStage,
  type Identified,
  isRefusal,
  type PriceQuote,
  type Read,
  type Refusal,
  type Reserved,
  type Run,
  refuse,
} from './run.ts';
import { raiseReservation } from './top-up.ts';
import { goWithoutCounters } from './without-counters.ts';

/** What stage 5 reserves for. */
interface Permit {
  identified: Identified;
  /** As it came. */
  asked: Read;
  request: Read;
  quote: PriceQuote;
}

/**
 * Stage 5: every applicable limit reserved in one atomic call, or the first that does not fit named with its reading.
 *
 * Caps of the run itself are judged by its estimate, without a call. Where Redis does not answer, each limit's own mode
 * decides; see `goWithoutCounters`. A run without counters costs no call. On the readings that come back the policies of the
 * admit phase decide; what they refuse gives its reservation back at nothing.
 */
export async function reserve(run: Run, permit: Permit): Promise<Reserved | Refusal> {
  const noted = noteSession(run, permit.identified);
  const reserved = await reserveAll(run, permit);
  const session = noted === null || isRefusal(reserved) ? null : await noted;
  const refusal = isRefusal(reserved)
    ? reserved
    : admit(run, { identified: permit.identified, request: permit.asked, reserved, session });
  const result = refusal ?? reserved;
  closeStage(run, 'reserve', describe(result));
  return result;
}

function describe(result: Reserved | Refusal): string {
  if (isRefusal(result)) return `refused:${result.code}`;
  return result.readings.some((reading) => reading.near) ? 'near' : 'ok';
}

async function reserveAll(run: Run, permit: Permit): Promise<Reserved | Refusal> {
  const plan = planLimits(run, permit);
  const { tenant } = permit.identified.tenant;
  if (plan.skipped.length > 0) run.marks.add('limit_skipped');
  const reserved: Reserved = { plan, items: plan.items, readings: [], held: false, sinceMs: [], refusedBy: null };
  run.reserved = reserved;
  if (plan.refusal !== null) return refuseUnplanned(run, reserved, plan.refusal);
  if (plan.items.length === 0) return reserved;
  // A caller whose last answer has just ended finds its place free: its settlement goes in the same call, before this.
  if (plan.limits.some(({ kind }) => kind === 'concurrency')) run.gate.settler.flush();
  const reply = await raiseReservation(run, { tenant, items: plan.items, raises: false });
  if (reply.kind === 'down') run.mayBeGranted = mayHaveArrived(reply.reason);
  if (reply.kind === 'down') return goWithoutCounters(run, permit.identified, reserved);
  if (reply.kind === 'refused') return refuseByReading(run, reserved, reply);
  if (reply.kind === 'gone') return refuse('engine_down', 'The run was closed while it waited.', 'capacity');
  run.gate.localShare.note(plan, { tenant, nowMs: run.gate.clock.nowMs() });
  return run.reserved;
}

function mayHaveArrived(reason: string): boolean {
  return ['timeout', 'connection', 'unreadable'].includes(reason);
}

const emptyPlan: Reserved['plan'] = {
  ...{ items: [], limits: [], caps: [], skipped: [] },
  ...{ refusal: null, moneyReservedNanoUsd: null, redisDown: 'allow' },
};

function planLimits(run: Run, { identified, request, quote }: Permit): Reserved['plan'] {
  const { key, tenant } = identified;
  if (tenant.limits.length === 0) return emptyPlan;
  const facts = {
    subTenant: key.sub_tenant,
    subTenantPath: tenant.subTenantPaths.get(key.sub_tenant ?? '') ?? [],
    keyId: key.id,
    keyName: key.name,
    actor: actorName(run),
    model: request.facts.model,
    provider: identified.provider.slug,
    route: identified.route.path,
    tags: run.tags,
  };
  const amounts = computeAmounts(quote, request.facts, firstOutputTokens(quote, request.facts));
  // Not when the run began: a caller who sends its body slowly would keep an override in force that is over.
  return planReservation(tenant.limits, { run: facts, amounts, nowMs: run.gate.clock.nowMs() });
}

/** How near the run came to any of its limits and caps. `breach` where one of them refused or cut it. */
export function proximityOf(run: Run, refused: boolean, readProgress: () => RunProgress): Proximity {
  const reserved = run.reserved;
  if (refused) return 'breach';
  if (reserved === null) return 'ok';
  const progress = run.sealed === null || reserved.plan.caps.length === 0 ? null : readProgress();
  return computeProximity(reserved.plan, reserved.readings, { progress });
}

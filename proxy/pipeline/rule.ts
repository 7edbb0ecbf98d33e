import { detectorVersion } from '../../policy/detectors/index.ts';
import {
  type DecisionRecord,
  decidePhase,
  type FailedChange,
  freezeContext,
  recordDecision,
} from '../../policy/rules/index.ts';
import type { Decision, DecisionContext } from '../../storage/schema/decision.ts';
import type { RefusalCode } from '../../storage/schema/errors.ts';
import { verdictOrder } from '../../storage/schema/run.ts';
import type { PolicyPhase } from '../../storage/schema/snapshot.ts';
import { actorName } from './identify.ts';
import { namesTexts } from './inspect.ts';
import type { ReadFact } from './read-fact.ts';
import { isBodyless } from './request-facts.ts';
import { type Identified, type Read, type Refusal, type Run, refuse } from './run.ts';
import { sealDecision } from './seal.ts';

/** What the policies of one phase are asked on. */
export interface Question {
  identified: Identified;
  /** The request as it came: scopes match it in every phase. */
  request: Read;
  phase: PolicyPhase;
  atMs: number;
  read: ReadFact;
  /** Changes that were tried and could not be made. */
  failed?: readonly FailedChange[];
}

/**
 * Asks the policies of a phase, and binds the decision to its context and snapshot by their digests. Changes nothing on the
 * run: `enterDecision` does.
 */
export function rule(run: Run, question: Question): DecisionRecord {
  return bind(question, judge(run, question));
}

/** A decision and what it was made on, not bound to anything yet. */
export interface Judgement {
  context: DecisionContext;
  decision: Decision;
}

/** Binds a decision to its context and snapshot: what goes on record. */
export function bind({ identified }: Question, { decision, context }: Judgement): DecisionRecord {
  return recordDecision(identified.tenant.snapshotId, decision, context);
}

/** Asks the policies of a phase on exactly the facts that they name. */
export function judge(run: Run, { identified, request, phase, atMs, read, failed = [] }: Question): Judgement {
  const { tenant, key, provider, route } = identified;
  const { policies, document } = tenant;
  const context = {
    ...freezeContext({ phase, atMs, names: policies.factsNamed(phase), read, digests: document.capture === 'full' }),
    ...(namesTexts(policies, phase) ? { detectors: detectorVersion } : {}),
    ...(failed.length > 0 ? { failed_changes: failed } : {}),
  };
  const scope = {
    sub_tenant: key.sub_tenant,
    key: key.name,
    key_id: key.id,
    actor: actorName(run),
    provider: provider.slug,
    model: request.facts.model ?? (isBodyless(request) ? '' : null),
    route: route.path,
    tags: run.tags,
  };
  return { context, decision: decidePhase(policies, scope, context) };
}

/**
 * Puts a phase's decision on the run: its tags, and the decision itself as the run's own where it is more restrictive than
 * those of the phases before.
 */
export function enterDecision(run: Run, record: DecisionRecord): void {
  run.decisions = [...run.decisions, record];
  if (run.decided === null || rank(record.decision) < rank(run.decided.decision)) run.decided = record;
  if (Object.keys(record.decision.tags).length > 0) run.tags = { ...run.tags, ...record.decision.tags };
  sealDecision(run.gate.ids, run);
}

function rank({ verdict }: Decision): number {
  return verdictOrder.indexOf(verdict);
}

/** The refusal that a decision comes to; null where it lets the run go on. */
export function refuseByDecision(decision: Decision): Refusal | null {
  const code = stopCodes[decision.verdict];
  if (code === undefined) return null;
  const held = decision.verdict === 'hold' ? 'Held for approval by' : 'Blocked by';
  return refuse(code, `${held} ${describeOwner(decision)}`, decision.owner);
}

const stopCodes: Partial<Record<Decision['verdict'], RefusalCode>> = { deny: 'policy_denied', hold: 'hold_refused' };

function describeOwner(decision: Decision): string {
  const [, id, version] = /^policy:(.+)@(\d+)$/.exec(decision.owner ?? '') ?? [];
  return id === undefined ? decision.reason : `policy ${id} v${version}: ${decision.reason}`;
}

import type { Decision, DecisionContext, Modification, PolicyMatch } from '../../storage/schema/decision.ts';
import { listUnapplied, planChanges } from './changes.ts';
import type { CompiledPolicies, CompiledPolicy } from './compile.ts';
import { type Frame, frameOf } from './engine.ts';
import { isPhase } from './facts.ts';
import type { ScopeFacts } from './scope.ts';
import type { Truth } from './three-valued.ts';
import { conclude } from './verdict.ts';

/**
 * Decides a run in the phase of its context.
 *
 * Every policy in scope is evaluated on the frozen context. A condition that a missing fact or an error leaves open counts
 * by the policy's `on_error`, and so does a policy that asks for a change which the context says could not be made. The most
 * restrictive verdict wins, ties go to the lowest id (UTF-8 bytes); the winner is the single owner. Policies in shadow are
 * listed and change nothing. Tags of all matching tag policies are gathered, the lowest id winning a name. `matched`,
 * `shadow` and `modifications` (what `planChanges` says, and what could not be made) are in id order.
 *
 * A pure function of its arguments; never throws for what `compilePolicies` and `freezeContext` made.
 */
export function decidePhase(compiled: CompiledPolicies, run: ScopeFacts, context: DecisionContext): Decision {
  const matched: PolicyMatch[] = [];
  const shadow: PolicyMatch[] = [];
  const tags: Record<string, string> = Object.create(null);
  const unapplied: Modification[] = [];
  const frame = frameOf(context);
  for (const policy of isPhase(context.phase) ? compiled.policiesOf(context.phase) : []) {
    if (policy.inScope !== null && !policy.inScope(run)) continue;
    const holds = evaluatePolicy(policy, frame);
    if (holds === false) continue;
    const truth = policy.restsOnModel && run.model === null ? null : holds;
    const match = truth ? describeMatch(policy) : describeOpen(policy, frame);
    if (policy.mode === 'shadow') {
      shadow.push(match);
      continue;
    }
    const failed = truth ? listUnapplied(policy, context.failed_changes ?? []) : [];
    unapplied.push(...failed);
    matched.push(failed.length > 0 ? describeUnapplied(policy, context) : match);
    if (truth && policy.action.action === 'tag') addTags(tags, policy.action.tags);
  }
  const outcome = conclude(matched);
  const modifications = gatherModifications(compiled, { ...outcome, matched }, unapplied);
  return { ...outcome, matched, shadow, modifications, tags: { ...tags } };
}

function gatherModifications(
  compiled: CompiledPolicies,
  decision: Pick<Decision, 'verdict' | 'matched'>,
  unapplied: readonly Modification[],
): readonly Modification[] {
  if (decision.verdict === 'deny' || decision.verdict === 'hold') return [];
  const planned = planChanges(compiled, decision).modifications;
  if (unapplied.length === 0) return planned;
  const all = [...planned, ...unapplied];
  return decision.matched.flatMap((match) => all.filter(({ policy }) => policy === match.policy));
}

/** Whether a policy's condition holds; null where it is open. */
export function evaluatePolicy(
  policy: Pick<CompiledPolicy, 'reads' | 'evaluate' | 'evaluateTruth'>,
  frame: Frame,
): Truth {
  if (frame.missing.size === 0 || !policy.reads.some((name) => frame.missing.has(name))) {
    try {
      const value = policy.evaluate(frame);
      if (typeof value === 'boolean') return value;
    } catch {
      // The engine also throws plain objects. Three-valued logic says below whether the failing part matters at all.
    }
  }
  return policy.evaluateTruth(frame);
}

function describeMatch(policy: CompiledPolicy): PolicyMatch {
  const { id, version, action } = policy;
  const reason = action.action === 'tag' ? `tagged by policy ${id}` : action.reason;
  return { policy: id, version, verdict: action.action, reason, indeterminate: false };
}

/** The reason names facts of the closed table and literals and tag names of the policy's author, never a value of the caller's. */
function describeOpen(policy: CompiledPolicy, { missing }: Frame): PolicyMatch {
  const { id, version, onError, restsOnModel } = policy;
  const reads = new Set(restsOnModel ? [...policy.reads, 'request.model'] : policy.reads);
  const absent = [...reads].filter((name) => missing.has(name));
  const cause = absent.length > 0 ? `unknown: ${absent.join(', ')}` : 'evaluation error';
  return {
    policy: id,
    version,
    verdict: onError,
    reason: `policy ${id} could not be decided (${cause})`,
    indeterminate: true,
  };
}

function describeUnapplied(policy: CompiledPolicy, { failed_changes: failed = [] }: DecisionContext): PolicyMatch {
  const { id, version, onError, action } = policy;
  const asked = new Set(action.action === 'modify' ? action.changes.map(({ change }) => change) : []);
  const causes = failed.filter(({ change }) => asked.has(change)).map(({ change, why }) => `${change}: ${why}`);
  const reason = `policy ${id} could not be applied (${causes.join('; ')})`;
  return { policy: id, version, verdict: onError, reason, indeterminate: true };
}

function addTags(tags: Record<string, string>, added: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(added)) if (!Object.hasOwn(tags, name)) tags[name] = value;
}

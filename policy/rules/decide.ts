import type { Decision, DecisionContext, PolicyMatch } from '../../storage/schema/decision.ts';
import { type Verdict, verdictOrder } from '../../storage/schema/run.ts';
import type { CompiledPolicies, CompiledPolicy } from './compile.ts';
import type { ScopeFacts } from './scope.ts';
import type { Truth } from './three-valued.ts';

/**
 * Decides a run in its request phase.
 *
 * Every policy in scope is evaluated on the frozen context. A condition that a missing fact or an error leaves open counts
 * by the policy's `on_error`. The most restrictive verdict wins, ties go to the lowest id (UTF-8 bytes); the winner is the
 * single owner. Policies in shadow are listed and change nothing. Tags of all matching tag policies are gathered, the lowest
 * id winning a name. `matched` and `shadow` are in id order. A plain allow has owner null and reason "".
 *
 * A pure function of its arguments; never throws for what `compilePolicies` and `freezeContext` made.
 */
export function decideRequest(compiled: CompiledPolicies, run: ScopeFacts, context: DecisionContext): Decision {
  const matched: PolicyMatch[] = [];
  const shadow: PolicyMatch[] = [];
  const tags: Record<string, string> = {};
  const missing: ReadonlySet<string> = new Set(context.missing);
  let winner: PolicyMatch | null = null;
  for (const policy of compiled.request) {
    if (policy.inScope !== null && !policy.inScope(run)) continue;
    const truth = evaluate(policy, context, missing);
    if (truth === false) continue;
    const match = truth ? describeMatch(policy) : describeOpen(policy, missing);
    if (policy.mode === 'shadow') {
      shadow.push(match);
      continue;
    }
    matched.push(match);
    if (truth && policy.action.action === 'tag') addTags(tags, policy.action.tags);
    if (winner === null || rank(match.verdict) < rank(winner.verdict)) winner = match;
  }
  const plain = winner === null || winner.verdict === 'allow';
  return {
    verdict: winner?.verdict ?? 'allow',
    owner: plain || winner === null ? null : `policy:${winner.policy}@${winner.version}`,
    reason: plain || winner === null ? '' : winner.reason,
    matched,
    shadow,
    modifications: [],
    tags,
  };
}

function evaluate(policy: CompiledPolicy, context: DecisionContext, missing: ReadonlySet<string>): Truth {
  if (missing.size === 0 || !policy.needs.some((name) => missing.has(name))) {
    try {
      const value = policy.evaluate(context.facts);
      if (typeof value === 'boolean') return value;
    } catch {
      // The engine also throws plain objects. Three-valued logic says below whether the failing part matters at all.
    }
  }
  return policy.evaluateTruth(context.facts, missing);
}

function describeMatch(policy: CompiledPolicy): PolicyMatch {
  const { id, version, action } = policy;
  const reason = action.action === 'tag' ? `tagged by policy ${id}` : action.reason;
  return { policy: id, version, verdict: action.action, reason, indeterminate: false };
}

/** The reason names facts of the closed table and tag names of the policy's author, never a value of the caller's. */
function describeOpen(policy: CompiledPolicy, missing: ReadonlySet<string>): PolicyMatch {
  const { id, version, onError, needs } = policy;
  const absent = needs.filter((name) => missing.has(name));
  const cause = absent.length > 0 ? `unknown: ${absent.join(', ')}` : 'evaluation error';
  return {
    policy: id,
    version,
    verdict: onError,
    reason: `policy ${id} could not be decided (${cause})`,
    indeterminate: true,
  };
}

function addTags(tags: Record<string, string>, added: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(added)) if (!Object.hasOwn(tags, name)) tags[name] = value;
}

function rank(verdict: Verdict): number {
  return verdictOrder.indexOf(verdict);
}

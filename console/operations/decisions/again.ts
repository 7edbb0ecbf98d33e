import { canonicalJson } from '../../../policy/evidence/index.ts';
import { type CompiledPolicies, decidePhase, recordDecision, type ScopeFacts } from '../../../policy/rules/index.ts';
import type { Decision, DecisionContext } from '../../../storage/schema/decision.ts';
import type { ShownDecision } from '../../contract/decisions.ts';

const policyPhases: readonly DecisionContext['phase'][] = ['request', 'admit', 'response', 'stream'];

/** Whether policies made a decision; a limit's, also of a stream, was made on other facts. */
export function isOfPolicies({ context, decision }: ShownDecision): boolean {
  return policyPhases.includes(context.phase) && !(decision.owner ?? '').startsWith('limit:');
}

/** Whether a context and a decision have their recorded digests, the decision's under this version of the engine. */
export function checkDigests(
  shown: ShownDecision,
  snapshotId: string | null,
): { context_holds: boolean; decision_holds: boolean } {
  const again = recordDecision(snapshotId ?? '', shown.decision, shown.context);
  return {
    context_holds: again.contextDigest === shown.context_digest,
    decision_holds: again.decisionDigest === shown.decision_digest,
  };
}

/**
 * Decides once more from nothing but the recorded context and the documents. `exact`: the very digest; `same`: the recorded
 * content, whose digest was made by another version of the engine; `different`: another decision.
 */
export function decideAgain(
  compiled: CompiledPolicies,
  shown: ShownDecision,
  snapshotId: string,
): { result: 'exact' | 'same' | 'different'; decision: Decision } {
  const decision = decidePhase(compiled, readScopeFacts(shown.context.facts), shown.context);
  const { decisionDigest } = recordDecision(snapshotId, decision, shown.context);
  if (decisionDigest === shown.decision_digest) return { result: 'exact', decision };
  const isSame = canonicalJson(decision) === canonicalJson(shown.decision);
  return { result: isSame ? 'same' : 'different', decision };
}

const tagPrefix = 'tags.';

/** What scopes are matched against, from the context: it holds every fact that a scope of its phase rests on. */
export function readScopeFacts(facts: DecisionContext['facts']): ScopeFacts {
  const text = (name: string): string | null => {
    const value = facts[name];
    return typeof value === 'string' ? value : null;
  };
  const [id, type] = [text('principal.actor_id'), text('principal.actor_type')];
  const tags = Object.entries(facts).flatMap(([name, value]): [string, string][] =>
    name.startsWith(tagPrefix) && typeof value === 'string' ? [[name.slice(tagPrefix.length), value]] : [],
  );
  return {
    sub_tenant: text('principal.sub_tenant'),
    key: text('principal.key_name'),
    key_id: text('principal.key_id'),
    actor: id === null || type === 'human' ? id : `${type}:${id}`,
    provider: text('request.provider'),
    model: text('request.model'),
    route: text('request.route'),
    tags: Object.fromEntries(tags),
  };
}

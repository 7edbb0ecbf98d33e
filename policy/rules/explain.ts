import type { Decision, DecisionContext, FactValue, PolicyMatch } from '../../storage/schema/decision.ts';
import type { Verdict } from '../../storage/schema/run.ts';
import type { PolicyEntry, PolicyMode } from '../../storage/schema/snapshot.ts';
import { type CheckedPolicy, checkPolicy } from './check-policies.ts';
import { type Frame, frameOf } from './engine.ts';
import { type Expression, listReadFacts } from './expression.ts';
import { findFact } from './facts.ts';
import type { Unit } from './kinds.ts';
import { buildTruth, isSkeleton, type Truth } from './three-valued.ts';
import { describeExpression } from './words.ts';

/** A fact that a condition read: `unreadable` ones were too long or ill-formed and stand as a digest. */
export interface ExplainedFact {
  name: string;
  state: 'known' | 'missing' | 'unreadable';
  value: FactValue;
  unit: Unit | null;
}

/** One part of a condition, what it says in words, what it came to (null: open), and what made it so. */
export interface ExplainedPart {
  /** Place below the policy, e.g. `when.and[0].>`. */
  place: string;
  words: string;
  truth: Truth;
  /** Facts of a part that is not looked into further. */
  facts: readonly ExplainedFact[];
  parts: readonly ExplainedPart[];
}

/** What one policy came to in a decision. */
export interface Explanation {
  policy: string;
  version: number;
  mode: PolicyMode;
  /**
   * `matched`: its condition held; `open`: it could not be decided; `unapplied`: it held and a change could not be made (in
   * both its `on_error` counted); `out_of_scope`: it was not looked at.
   */
  outcome: 'matched' | 'open' | 'unapplied' | 'not_matched' | 'out_of_scope';
  /** The verdict it gave, in shadow too; null where it gave none. */
  verdict: Verdict | null;
  reason: string;
  isOwner: boolean;
  condition: ExplainedPart;
}

/**
 * Explains a decision, policy by policy in id order: which facts made which part of which condition true, false or open.
 *
 * `policies` are the document's of the snapshot that decided, `context` and `decision` as recorded; policies of other phases
 * are passed over, as are ones that no longer pass the check. Works without a captured payload. Pure; never throws.
 */
export function explainDecision(
  policies: readonly PolicyEntry[],
  context: DecisionContext,
  decision: Decision,
): Explanation[] {
  const frame = frameOf(context);
  const matches = new Map([...decision.matched, ...decision.shadow].map((match) => [match.policy, match]));
  return policies
    .filter(({ phase }) => phase === context.phase)
    .flatMap((policy) => checkPolicy(policy).checked ?? [])
    .sort((a, b) => Buffer.compare(Buffer.from(a.entry.id), Buffer.from(b.entry.id)))
    .map((checked) => explainPolicy(checked, frame, { match: matches.get(checked.entry.id), owner: decision.owner }));
}

function explainPolicy(
  checked: CheckedPolicy,
  frame: Frame,
  found: { match: PolicyMatch | undefined; owner: string | null },
): Explanation {
  const { id, version, mode } = checked.entry;
  const condition = explainPart(checked.expression, checked.paths, frame);
  const { match } = found;
  const isOpen = checked.entry.scope.model !== undefined && frame.missing.has('request.model');
  return {
    policy: id,
    version,
    mode,
    outcome: nameOutcome(match, isOpen ? null : condition.truth),
    verdict: match?.verdict ?? null,
    reason: match?.reason ?? '',
    isOwner: found.owner === `policy:${id}@${version}`,
    condition,
  };
}

function nameOutcome(match: PolicyMatch | undefined, truth: Truth): Explanation['outcome'] {
  if (match === undefined) return truth === false ? 'not_matched' : 'out_of_scope';
  if (!match.indeterminate) return 'matched';
  return truth === null ? 'open' : 'unapplied';
}

function explainPart(expression: Expression, paths: ReadonlyMap<Expression, string>, frame: Frame): ExplainedPart {
  const parts = isSkeleton(expression) ? expression.args.map((arg) => explainPart(arg, paths, frame)) : [];
  return {
    place: `when${paths.get(expression) ?? ''}`,
    words: describeExpression(expression),
    truth: buildTruth(expression)(frame),
    facts: parts.length > 0 ? [] : listReadFacts(expression).map((name) => explainFact(name, frame)),
    parts,
  };
}

function explainFact(name: string, { facts, missing }: Frame): ExplainedFact {
  const value = facts[name] ?? null;
  const unit = findFact(name)?.unit ?? null;
  const state = !missing.has(name) ? 'known' : value === null ? 'missing' : 'unreadable';
  return { name, state, value, unit };
}

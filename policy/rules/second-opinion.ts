import jsonLogic from 'json-logic-js';
import type { DecisionContext, FactValue } from '../../storage/schema/decision.ts';
import type { PolicyEntry } from '../../storage/schema/snapshot.ts';
import { checkPolicy } from './check-policies.ts';
import { frameOf } from './engine.ts';
import { buildTruth } from './three-valued.ts';
import { TranslationRefused, translate } from './translate-classic.ts';

/** What json-logic-js comes to, or why it cannot be asked. */
export type SecondOpinion = { supported: true; truth: boolean } | { supported: false; why: string };

/** The two engines side by side on one policy and context. `not_comparable` says why in `why`. */
export type Comparison =
  | { result: 'agrees' | 'disagrees'; ours: boolean; theirs: boolean }
  | { result: 'not_comparable'; why: string };

/**
 * Asks json-logic-js about a policy's condition on a recorded context.
 *
 * It knows the classic operators only, converts between types and treats a missing fact as null. So it can be asked where
 * the condition keeps to operators that mean the same in both, and no fact that is read without a default is missing; scans of
 * contents are read by their recorded results, quantities as their numbers. Pure; never throws.
 */
export function askSecondOpinion(policy: Pick<PolicyEntry, 'when'>, context: DecisionContext): SecondOpinion {
  try {
    const logic = translate(policy.when, context) as jsonLogic.RulesLogic;
    return { supported: true, truth: jsonLogic.truthy(jsonLogic.apply(logic, nest(context.facts))) };
  } catch (cause) {
    // json-logic-js throws whatever comes along; what it cannot compute it has no opinion on.
    return { supported: false, why: cause instanceof TranslationRefused ? cause.message : 'json-logic-js fails on it' };
  }
}

/** Compares both engines on one policy. Where ours leaves the condition open there is nothing to compare. Pure; never throws. */
export function compareOpinions(policy: PolicyEntry, context: DecisionContext): Comparison {
  const { checked } = checkPolicy(policy);
  if (checked === null) return { result: 'not_comparable', why: 'the policy does not pass its check' };
  const opinion = askSecondOpinion(policy, context);
  if (!opinion.supported) return { result: 'not_comparable', why: opinion.why };
  const ours = buildTruth(checked.expression)(frameOf(context));
  if (ours === null) return { result: 'not_comparable', why: 'the condition is open' };
  return { result: ours === opinion.truth ? 'agrees' : 'disagrees', ours, theirs: opinion.truth };
}

interface Tree {
  [name: string]: FactValue | Tree;
}

/** The nested data that json-logic-js reads dotted names from, without prototypes. */
function nest(facts: DecisionContext['facts']): Tree {
  const root: Tree = Object.create(null);
  for (const [name, value] of Object.entries(facts)) {
    // A default is for what is not there at all: null would be taken as a value.
    if (value === null) continue;
    const keys = name.split('.');
    const last = keys.pop() ?? '';
    let at = root;
    for (const key of keys) {
      const next = at[key] ?? Object.create(null);
      if (typeof next !== 'object' || Object.getPrototypeOf(next) !== null)
        throw new TranslationRefused('one fact has a name that goes on where another ends');
      at[key] = next;
      at = next as Tree;
    }
    if (at[last] !== undefined) throw new TranslationRefused('one fact has a name that goes on where another ends');
    at[last] = value;
  }
  return root;
}

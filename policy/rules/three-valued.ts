import { buildEvaluate, type Evaluate, type Facts } from './engine.ts';
import { type Expression, listNeededFacts } from './expression.ts';

/** True, false, or null where a missing fact leaves it open. */
export type Truth = boolean | null;

export type EvaluateTruth = (facts: Facts, missing: ReadonlySet<string>) => Truth;

/**
 * Kleene's strong three-valued logic over the skeleton of `and`, `or`, `!`, `!!` and `if`: what a missing fact cannot change
 * stays decided, in any order of the arguments. Any other operation is open as soon as a fact it needs is missing or its
 * evaluation throws. Agrees with `buildEvaluate` where nothing is missing and nothing throws. Never throws itself.
 */
export function buildTruth(expression: Expression): EvaluateTruth {
  if (expression.kind !== 'call' || expression.type !== 'boolean') return buildLeaf(expression);
  const parts = () => expression.args.map(buildTruth);
  switch (expression.operator) {
    case 'and':
      return combine(parts(), false);
    case 'or':
      return combine(parts(), true);
    case '!':
    case '!!':
      return expression.args[0]?.type === 'boolean' ? convert(parts(), expression.operator) : buildLeaf(expression);
    case 'if':
      return branch(parts());
    default:
      return buildLeaf(expression);
  }
}

/** `and` is decided by the first false, `or` by the first true; else open if any part is. */
function combine(parts: readonly EvaluateTruth[], decisive: boolean): EvaluateTruth {
  return (facts, missing) => {
    let open = false;
    for (const part of parts) {
      const truth = part(facts, missing);
      if (truth === decisive) return decisive;
      if (truth === null) open = true;
    }
    return open ? null : !decisive;
  };
}

function convert(parts: readonly EvaluateTruth[], operator: '!' | '!!'): EvaluateTruth {
  return (facts, missing) => {
    const truth = parts[0]?.(facts, missing) ?? null;
    return truth === null ? null : truth !== (operator === '!');
  };
}

/** An open condition leaves the value open unless both ways lead to the same. */
function branch(parts: readonly EvaluateTruth[], from = 0): EvaluateTruth {
  return (facts, missing) => {
    const head = parts[from]?.(facts, missing) ?? null;
    if (from === parts.length - 1) return head;
    const yes = () => parts[from + 1]?.(facts, missing) ?? null;
    const no = () => branch(parts, from + 2)(facts, missing);
    if (head !== null) return head ? yes() : no();
    const either = yes();
    return either !== null && either === no() ? either : null;
  };
}

function buildLeaf(expression: Expression): EvaluateTruth {
  const needed = listNeededFacts(expression);
  let evaluate: Evaluate | null = null;
  return (facts, missing) => {
    if (needed.some((name) => missing.has(name))) return null;
    try {
      evaluate ??= buildEvaluate(expression);
      const value = evaluate(facts);
      return typeof value === 'boolean' ? value : null;
    } catch {
      // Open is the answer for whatever an operation cannot compute; the policy's onError decides what that means.
      return null;
    }
  };
}

import { buildEvaluate, type Evaluate, type Frame } from './engine.ts';
import { type Expression, listNeededFacts, listReadFacts } from './expression.ts';

/** True, false, or null where a missing fact leaves it open. */
export type Truth = boolean | null;

export type EvaluateTruth = (frame: Frame) => Truth;

/**
 * Kleene's strong three-valued logic over the skeleton of `and`, `or`, `!`, `!!` and `if`: what a missing fact cannot change
 * stays decided, in any order of the arguments. Any other operation is open as soon as a fact it needs is missing or its
 * evaluation throws. A fact that the context holds only by its digest leaves open whatever reads it, a default or not.
 * Agrees with `buildEvaluate` where nothing is missing and nothing throws. Never throws itself.
 */
export function buildTruth(expression: Expression): EvaluateTruth {
  if (!isSkeleton(expression)) return buildLeaf(expression);
  const parts = expression.args.map(buildTruth);
  switch (expression.operator) {
    case 'and':
      return combine(parts, false);
    case 'or':
      return combine(parts, true);
    case '!':
    case '!!':
      return convert(parts, expression.operator);
    default:
      return branch(parts);
  }
}

const skeleton: ReadonlySet<string> = new Set(['and', 'or', '!', '!!', 'if', '?:']);

/** Whether an expression is an operation on truth values alone, which three-valued logic looks into. */
export function isSkeleton(expression: Expression): expression is Extract<Expression, { kind: 'call' }> {
  if (expression.kind !== 'call' || !skeleton.has(expression.operator)) return false;
  return expression.type === 'boolean' && expression.args.every(({ type }) => type === 'boolean');
}

/** `and` is decided by the first false, `or` by the first true; else open if any part is. */
function combine(parts: readonly EvaluateTruth[], decisive: boolean): EvaluateTruth {
  return (frame) => {
    let open = false;
    for (const part of parts) {
      const truth = part(frame);
      if (truth === decisive) return decisive;
      if (truth === null) open = true;
    }
    return open ? null : !decisive;
  };
}

function convert(parts: readonly EvaluateTruth[], operator: '!' | '!!'): EvaluateTruth {
  return (frame) => {
    const truth = parts[0]?.(frame) ?? null;
    return truth === null ? null : truth !== (operator === '!');
  };
}

/** An open condition leaves the value open unless both ways lead to the same. No else is no value. */
function branch(parts: readonly EvaluateTruth[], from = 0): EvaluateTruth {
  const [head, value] = [parts[from], parts[from + 1]];
  if (head === undefined) return () => null;
  if (value === undefined) return head;
  const rest = branch(parts, from + 2);
  return (frame) => {
    const truth = head(frame);
    if (truth !== null) return truth ? value(frame) : rest(frame);
    const either = value(frame);
    return either !== null && either === rest(frame) ? either : null;
  };
}

/** Whether facts that are missing leave an expression open that reads `reads` and cannot do without `needs`. */
export function isOpen(frame: Frame, needs: readonly string[], reads: readonly string[]): boolean {
  if (frame.missing.size === 0) return false;
  if (needs.some((name) => frame.missing.has(name))) return true;
  return reads.some((name) => frame.missing.has(name) && (frame.facts[name] ?? null) !== null);
}

function buildLeaf(expression: Expression): EvaluateTruth {
  const needs = listNeededFacts(expression);
  const reads = listReadFacts(expression);
  let evaluate: Evaluate | null = null;
  return (frame) => {
    if (isOpen(frame, needs, reads)) return null;
    try {
      evaluate ??= buildEvaluate(expression);
      const value = evaluate(frame);
      return typeof value === 'boolean' ? value : null;
    } catch {
      // Open is the answer for whatever an operation cannot compute; the policy's onError decides what that means.
      return null;
    }
  };
}

import type { ValueType } from './facts.ts';

/** A condition after its check: typed, closed, bounded. Only `checkCondition` makes one. */
export type Expression =
  | { kind: 'literal'; type: ValueType; value: boolean | number | string | readonly string[] | readonly number[] }
  | { kind: 'fact'; type: ValueType; name: string; fallback: boolean | number | string | null }
  /** The element at hand inside `some`, `all` and `none`: `{"var": ""}`. */
  | { kind: 'item'; type: 'text' }
  | { kind: 'call'; type: ValueType; operator: string; args: readonly Expression[] };

/** Names of the facts without a default: where one is missing, the expression is indeterminate. In order of appearance. */
export function listNeededFacts(expression: Expression): readonly string[] {
  const names = new Set<string>();
  visitFacts(expression, (fact) => {
    if (fact.fallback === null) names.add(fact.name);
  });
  return [...names];
}

/** Names of all facts, with a default or not. In order of appearance. */
export function listFacts(expression: Expression): readonly string[] {
  const names = new Set<string>();
  visitFacts(expression, (fact) => names.add(fact.name));
  return [...names];
}

type FactExpression = Extract<Expression, { kind: 'fact' }>;

function visitFacts(expression: Expression, visit: (fact: FactExpression) => void): void {
  if (expression.kind === 'fact') visit(expression);
  if (expression.kind === 'call') for (const arg of expression.args) visitFacts(arg, visit);
}

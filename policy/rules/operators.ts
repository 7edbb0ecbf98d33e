import type { Operator, OperatorGroup } from './operator.ts';
import { listOperators } from './operators-list.ts';
import { logicOperators } from './operators-logic.ts';
import { numberOperators } from './operators-number.ts';
import { textOperators } from './operators-text.ts';

/**
 * The closed table of operators, beside `specialForms`, which the checker knows by itself.
 *
 * Where JSON Logic has an operator of the same name it means the same here, narrowed by types: nothing is converted from one
 * type to another, integers are exact, `/` drops the fraction, and what JSON Logic answers with null leaves the expression
 * open. `contains`, `startsWith`, `endsWith`, `matches`, `during`, `lower`, `upper`, `length`, `count`, `intersects`,
 * `subset` and `bare` are ours. Texts are compared exactly, case included.
 */
export const operatorTable: ReadonlyMap<string, Operator> = new Map([
  ...logicOperators,
  ...numberOperators,
  ...textOperators,
  ...listOperators,
]);

export interface OperatorDescription {
  name: string;
  group: OperatorGroup | 'fact' | 'quantity';
  /** Fewest and most arguments. */
  arity: readonly [number, number];
  takes: string;
  meaning: string;
}

/** What is written like an operator and takes names or literals instead of values. */
export const specialForms: readonly OperatorDescription[] = [
  {
    name: 'var',
    group: 'fact',
    arity: [1, 2],
    takes: 'the name of a fact, and perhaps a default',
    meaning:
      'the value of the fact; without a default it leaves the expression open where the run has none. Inside list tests {"var": ""} is the item at hand, inside "reduce" there are "current" and "accumulator"',
  },
  {
    name: 'missing',
    group: 'fact',
    arity: [0, 64],
    takes: 'names of facts',
    meaning: 'those of the names that the run has no value for',
  },
  {
    name: 'missing_some',
    group: 'fact',
    arity: [2, 2],
    takes: 'how many are enough, and a list of names of facts',
    meaning: 'nothing where the run has at least so many of the facts, else the names it has no value for',
  },
  {
    name: 'quantity',
    group: 'quantity',
    arity: [1, 1],
    takes: 'a literal such as "0.50 USD", "64 KiB", "5 min", "8 ktokens" or "80 %"',
    meaning: 'the exact integer of the smallest unit; it is only compared with integers of that unit or without one',
  },
];

/** Every operator and special form, for documentation. */
export function describeOperators(): readonly OperatorDescription[] {
  const operators = [...operatorTable].map(([name, { group, arity, takes, meaning }]) => ({
    name,
    group,
    arity,
    takes,
    meaning,
  }));
  return [...specialForms, ...operators];
}

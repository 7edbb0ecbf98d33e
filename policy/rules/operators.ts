import type { ValueType } from './facts.ts';
import * as write from './operator-code.ts';

export interface Operator {
  /** Fewest and most arguments. */
  arity: readonly [number, number];
  /** The type of the result for arguments of these types, or null where the operator does not take them. */
  resultType: (args: readonly ValueType[]) => ValueType | null;
  /** What it takes, in words, for a refusal. */
  takes: string;
  /** Code over arguments whose types were checked, so that no conversion is left to JavaScript. */
  write: write.Write;
}

const most = 64;
const scalars: ReadonlySet<ValueType> = new Set(['boolean', 'integer', 'text']);

function each(type: ValueType, result: ValueType): Operator['resultType'] {
  return (args) => (args.every((arg) => arg === type) ? result : null);
}

function isMember(item: ValueType | undefined, list: ValueType | undefined): boolean {
  return (item === 'text' && (list === 'texts' || list === 'text')) || (item === 'integer' && list === 'integers');
}

/** Conditions stand at even places except the last, which is the value of "else". */
function branchType(args: readonly ValueType[]): ValueType | null {
  if (args.length % 2 === 0) return null;
  const conditions = args.filter((_, i) => i % 2 === 0 && i < args.length - 1);
  const values = args.filter((_, i) => i % 2 === 1 || i === args.length - 1);
  const [type] = values;
  const fits = type !== undefined && scalars.has(type) && values.every((value) => value === type);
  return fits && conditions.every((condition) => condition === 'boolean') ? type : null;
}

const equality = (sign: string): Operator => ({
  arity: [2, 2],
  resultType: ([a, b]) => (a !== undefined && a === b && scalars.has(a) ? 'boolean' : null),
  takes: 'two texts, two integers or two booleans',
  write: write.join(sign),
});

const order = (arity: 2 | 3, code: write.Write): Operator => ({
  arity: [2, arity],
  resultType: each('integer', 'boolean'),
  takes: 'integers',
  write: code,
});

const logic = (sign: string): Operator => ({
  arity: [1, most],
  resultType: each('boolean', 'boolean'),
  takes: 'booleans (other values go through "!!")',
  write: write.join(sign),
});

const truth = (code: write.Write): Operator => ({
  arity: [1, 1],
  resultType: () => 'boolean',
  takes: 'one value',
  write: code,
});

const arithmetic = (arity: readonly [number, number], code: write.Write): Operator => ({
  arity,
  resultType: each('integer', 'integer'),
  takes: 'integers',
  write: write.exact(code),
});

const textTest = (method: 'startsWith' | 'endsWith'): Operator => ({
  arity: [2, 2],
  resultType: each('text', 'boolean'),
  takes: 'a text and the part looked for',
  write: write.writeTextTest(method),
});

const quantifier = (code: write.Write): Operator => ({
  arity: [2, 2],
  resultType: ([list, test]) => (list === 'texts' && test === 'boolean' ? 'boolean' : null),
  takes: 'a list of texts and a boolean condition on {"var": ""}',
  write: code,
});

const branches: Operator = {
  arity: [3, most - 1],
  resultType: branchType,
  takes:
    'conditions and values in turn, then a last value: conditions are booleans, values all texts, integers or booleans',
  write: write.writeBranches,
};

const membership: Operator = {
  arity: [2, 2],
  resultType: ([item, list]) => (isMember(item, list) ? 'boolean' : null),
  takes: 'a text and a list of texts or a text, or an integer and a list of integers',
  write: write.writeIn,
};

const containment: Operator = {
  arity: [2, 2],
  resultType: ([list, item]) => (isMember(item, list) ? 'boolean' : null),
  takes: 'a list of texts or a text, then a text; or a list of integers and an integer',
  write: write.writeContains,
};

/**
 * The closed table of operators, beside `var`, which the checker knows by itself.
 *
 * All but the last three are JSON Logic's own, their meaning narrowed by types: `<` and `<=` take a third argument as
 * "between"; `all` of an empty list is false; `!` and `!!` take any value, of which false, 0, "" and the empty list are
 * false. `contains` (`in` with its arguments the other way round), `startsWith` and `endsWith` are ours. Texts are compared
 * exactly, case included. Arithmetic is on exact integers; leaving them makes the condition indeterminate.
 */
export const operatorTable: ReadonlyMap<string, Operator> = new Map([
  ['==', equality('===')],
  ['===', equality('===')],
  ['!=', equality('!==')],
  ['!==', equality('!==')],
  [
    '<',
    order(
      3,
      write.compare('<', (low, middle, high) => low < middle && middle < high),
    ),
  ],
  [
    '<=',
    order(
      3,
      write.compare('<=', (low, middle, high) => low <= middle && middle <= high),
    ),
  ],
  ['>', order(2, write.join('>'))],
  ['>=', order(2, write.join('>='))],
  ['and', logic('&&')],
  ['or', logic('||')],
  ['!', truth(write.writeNegation)],
  ['!!', truth(write.writeTruth)],
  ['if', branches],
  ['in', membership],
  ['+', arithmetic([1, most], write.join('+'))],
  ['-', arithmetic([1, 2], write.writeDifference)],
  ['*', arithmetic([2, most], write.join('*'))],
  ['min', { arity: [1, most], resultType: each('integer', 'integer'), takes: 'integers', write: write.writeMin }],
  ['max', { arity: [1, most], resultType: each('integer', 'integer'), takes: 'integers', write: write.writeMax }],
  ['some', quantifier(write.writeSome)],
  ['none', quantifier(write.writeNone)],
  ['all', quantifier(write.writeAll)],
  ['contains', containment],
  ['startsWith', textTest('startsWith')],
  ['endsWith', textTest('endsWith')],
]);

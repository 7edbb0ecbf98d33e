import { callingLazily, code, isTruthy, join, sync, type Write } from './code.ts';
import { type Kind, plain, scalarTypes, unify } from './kinds.ts';
import { mostArguments, type Operator, type OperatorRow } from './operator.ts';

type Pair = (a: never, b: never) => boolean;

/** Whether every value and the next one pass; later values are not computed once a pair failed. */
const chained = (test: Pair): Write =>
  callingLazily((...parts) => {
    let before = parts[0]?.();
    for (const part of parts.slice(1)) {
      const next = part();
      if (!test(before as never, next as never)) return false;
      before = next;
    }
    return true;
  });

function compare(sign: string, test: Pair): Write {
  const [pair, chain] = [join(sign), chained(test)];
  return (args, state) => (args.length === 2 ? pair(args, state) : chain(args, state));
}

const isComparable = (types: readonly string[]) => (args: readonly Kind[]) => {
  const kind = unify(args);
  return kind !== null && types.includes(kind.type) ? plain('boolean') : null;
};

const equality = (sign: string, test: Pair, meaning: string): Operator => ({
  group: 'comparison',
  arity: [2, mostArguments],
  typing: isComparable([...scalarTypes]),
  takes: 'texts, booleans, or integers of one unit',
  meaning,
  write: compare(sign, test),
});

const order = (sign: string, test: Pair, meaning: string): Operator => ({
  group: 'comparison',
  arity: [2, mostArguments],
  typing: isComparable(['integer', 'text']),
  takes: 'integers of one unit, or texts',
  meaning: `${meaning}, each and the next; texts by UTF-16 code units`,
  write: compare(sign, test),
});

/** What JSON Logic's `and` and `or` come to: the value at which it is decided, or the last. */
const decidedAt = (truth: boolean): Write =>
  callingLazily((...parts) => {
    let value: unknown;
    for (const part of parts) {
      value = part();
      if (isTruthy(value) === truth) return value;
    }
    return value;
  });

const logic = (truth: boolean, meaning: string): Operator => ({
  group: 'logic',
  arity: [1, mostArguments],
  typing: (args) => (args.every((arg) => arg.type === 'boolean') ? plain('boolean') : unifyValues(args)),
  takes: 'booleans, or values of one type (others go through "!!")',
  meaning,
  write: decidedAt(truth),
});

function unifyValues(args: readonly Kind[]): Kind | null {
  const kind = unify(args);
  return kind === null || kind.type === 'content' ? null : kind;
}

/** Conditions stand at even places except the last of an odd number, which is the value of "else". */
function branchKind(args: readonly Kind[]): Kind | null {
  const isElse = (i: number) => args.length % 2 === 1 && i === args.length - 1;
  if (args.some(({ type }) => type === 'content')) return null;
  return unify(args.filter((_, i) => i % 2 === 1 || isElse(i)));
}

const absent = sync((): never => {
  throw new RangeError('there is no value');
});

/** `a ? b : c ? d : e`; without an else there is no value where no condition holds, which leaves the expression open. */
const writeBranches: Write = (args, state) => {
  const hasElse = args.length % 2 === 1;
  let out = hasElse ? state.compile`${args[args.length - 1]}` : state.compile`${absent}()`;
  for (let i = args.length - (hasElse ? 3 : 2); i >= 0; i -= 2) {
    out = state.compile`${isTruthy}(${args[i]}) ? (${args[i + 1]}) : (${out})`;
  }
  return state.compile`(${out})`;
};

const branches: Operator = {
  group: 'logic',
  arity: [1, mostArguments - 1],
  typing: branchKind,
  takes: 'conditions and values in turn, then a last value for "else"; the values all of one type',
  meaning:
    'the value behind the first condition that holds, else the last; without an else it is open where none holds. Conditions of other types count as through "!!"',
  write: writeBranches,
};

const truth = (write: Write, meaning: string): Operator => ({
  group: 'logic',
  arity: [1, 1],
  typing: ([arg]) => (arg === undefined || arg.type === 'content' ? null : plain('boolean')),
  takes: 'one value that is no content',
  meaning,
  write,
});

const present = sync((value: unknown): unknown => {
  if (value === null || value === undefined) throw new RangeError('there is no value');
  return value;
});

const coalesce: Operator = {
  group: 'logic',
  arity: [1, mostArguments],
  typing: unifyValues,
  takes: 'facts and literals of one type',
  meaning: 'the first value that the run has; open where it has none',
  write: (args, state) => state.compile`${present}(${join('??')(args, state)})`,
};

/** `and` and `or` of booleans alone, as the code of JavaScript's own; the engine uses them where the types allow. */
export const fastLogic: readonly (readonly [string, Write])[] = [
  ['&&', join('&&')],
  ['||', join('||')],
];

/** Comparison and logic. */
export const logicOperators: readonly OperatorRow[] = [
  ['==', equality('==', (a, b) => a === b, 'equal, case included, each and the next')],
  ['===', equality('===', (a, b) => a === b, 'the same as "=="')],
  ['!=', equality('!=', (a, b) => a !== b, 'different, each from the next')],
  ['!==', equality('!==', (a, b) => a !== b, 'the same as "!="')],
  ['<', order('<', (a, b) => a < b, 'less')],
  ['<=', order('<=', (a, b) => a <= b, 'less or equal')],
  ['>', order('>', (a, b) => a > b, 'greater')],
  ['>=', order('>=', (a, b) => a >= b, 'greater or equal')],
  ['and', logic(false, 'whether all hold; of other values the first that is false by "!!", or the last')],
  ['or', logic(true, 'whether one holds; of other values the first that is true by "!!", or the last')],
  ['!', truth((args, state) => state.compile`!${isTruthy}(${args[0]})`, 'the opposite of "!!"')],
  [
    '!!',
    truth(
      (args, state) => state.compile`${isTruthy}(${args[0]})`,
      'false for false, 0, "" and the empty list, else true',
    ),
  ],
  ['if', branches],
  ['?:', branches],
  ['??', coalesce],
];

/** Reads a fact of the frame by its whole name. Only names of the fact table come here. */
export const writeFact: Write = ([name, fallback], state) => {
  const read = code(`context.facts[${JSON.stringify(name)}]`);
  return fallback === undefined ? read : state.compile`(${read} ?? ${fallback})`;
};

import type { BuildState, CompiledCode } from 'json-logic-engine';
import { calling, isTruthy, sync, type Write, writeList } from './code.ts';
import { itemKind, type Kind, listKind, listTypes, plain, scalarTypes, unify } from './kinds.ts';
import { mostArguments, type Operator, type OperatorRow } from './operator.ts';

/** Literal lists longer than this are looked up in a set instead of searched. */
const longestSearchedList = 8;

type Test = (item: unknown) => unknown;
type Gather = (accumulator: unknown, current: unknown) => unknown;

const list = (value: unknown): readonly unknown[] => {
  if (!Array.isArray(value)) throw new TypeError('not a list');
  return value;
};

/** `call(list, (item) => test)`. */
function testing(call: (items: readonly unknown[], test: Test) => unknown): Write {
  const marked = sync((items: unknown, test: Test) => call(list(items), test));
  return ([items, test], state) => state.compile`${marked}(${items}, (item) => (${test}))`;
}

/** `count` with one argument is how many items there are. */
const writeCount: Write = (args, state) => {
  const counted = testing((items, test) => items.filter((item) => isTruthy(test(item))).length);
  return args.length === 1 ? state.compile`(${args[0]}).length` : counted(args, state);
};

const writeReduce: Write = ([items, step, start], state) => {
  const gather = sync((values: unknown, next: Gather, first: unknown) => list(values).reduce(next, first));
  return state.compile`${gather}(${items}, (accumulator, current) => (${step}), ${start})`;
};

function writeMembership(item: unknown, members: unknown, state: BuildState): CompiledCode {
  const isPlain = Array.isArray(members) && members.every((member) => typeof member !== 'object');
  // `|| []` as in both JSON Logic engines: nothing is in the empty text, not even the empty text.
  if (!isPlain || members.length <= longestSearchedList) return state.compile`((${members}) || []).includes(${item})`;
  const set = new Set<unknown>(members);
  const isMember = sync((value: unknown) => set.has(value));
  return state.compile`${isMember}(${item})`;
}

function isMember(item: Kind | undefined, members: Kind | undefined): Kind | null {
  if (item === undefined || members === undefined) return null;
  const isPart = item.type === 'text' && members.type === 'text';
  const inner = itemKind(members);
  const fits =
    inner !== null && (members.type === 'empty' ? scalarTypes.has(item.type) : unify([item, inner]) !== null);
  return isPart || fits ? plain('boolean') : null;
}

function twoLists(args: readonly Kind[]): Kind | null {
  const kind = unify(args);
  return kind !== null && listTypes.has(kind.type) ? plain('boolean') : null;
}

/** Lists as they are, single items as lists of one. */
function merged(args: readonly Kind[]): Kind | null {
  const kinds = args.map((arg) => (listTypes.has(arg.type) ? arg : listKind(arg)));
  const known = kinds.flatMap((kind) => (kind === null ? [] : [kind]));
  if (known.length < kinds.length) return null;
  return known.length === 0 ? plain('empty') : unify(known);
}

const isTested = ([items, test]: readonly Kind[]): boolean =>
  items !== undefined && listTypes.has(items.type) && (test === undefined || scalarTypes.has(test.type));

const listTest = (write: Write, meaning: string): Operator => ({
  group: 'list',
  arity: [2, 2],
  typing: (args) => (isTested(args) ? plain('boolean') : null),
  takes: 'a list and a condition on {"var": ""}, the item at hand',
  meaning,
  write,
});

const membership = (write: Write, typing: Operator['typing'], takes: string): Operator => ({
  group: 'list',
  arity: [2, 2],
  typing,
  takes,
  meaning: 'whether the item is one of the list, or the text a part of the other, case included',
  write,
});

/** The operators whose second argument is computed once an item. */
export const listTests: ReadonlySet<string> = new Set(['some', 'none', 'all', 'filter', 'map', 'count', 'reduce']);

/** Lists and sets. */
export const listOperators: readonly OperatorRow[] = [
  [
    'in',
    membership(
      ([item, members], state) => writeMembership(item, members, state),
      ([item, members]) => isMember(item, members),
      'a text and a list of texts, a text or a content, or an integer and a list of integers',
    ),
  ],
  [
    'contains',
    membership(
      ([members, item], state) => writeMembership(item, members, state),
      ([members, item]) => isMember(item, members),
      'a list of texts, a text or a content, then a text; or a list of integers and an integer',
    ),
  ],
  [
    'some',
    listTest(
      testing((items, test) => items.some((item) => isTruthy(test(item)))),
      'whether one item passes; false for no items',
    ),
  ],
  [
    'none',
    listTest(
      testing((items, test) => !items.some((item) => isTruthy(test(item)))),
      'whether no item passes',
    ),
  ],
  [
    'all',
    listTest(
      testing((items, test) => items.length > 0 && items.every((item) => isTruthy(test(item)))),
      'whether every item passes; false for no items, as JSON Logic has it',
    ),
  ],
  [
    'count',
    {
      ...listTest(writeCount, 'how many items there are, or pass'),
      arity: [1, 2],
      typing: (args) => (isTested(args) ? { type: 'integer', unit: 'count' } : null),
      takes: 'a list and perhaps a condition on {"var": ""}',
    },
  ],
  [
    'filter',
    {
      ...listTest(
        testing((items, test) => items.filter((item) => isTruthy(test(item)))),
        'the items that pass',
      ),
      typing: (args) => (isTested(args) ? (args[0] ?? null) : null),
    },
  ],
  [
    'map',
    {
      ...listTest(
        testing((items, test) => items.map((item) => test(item))),
        'what becomes of each item',
      ),
      typing: ([items, made]) =>
        items === undefined || made === undefined || !listTypes.has(items.type) ? null : listKind(made),
      takes: 'a list and a text or integer made from {"var": ""}',
    },
  ],
  [
    'reduce',
    {
      group: 'list',
      arity: [3, 3],
      typing: ([items, made, start]) => {
        if (items === undefined || made === undefined || start === undefined || !listTypes.has(items.type)) return null;
        const kind = unify([made, start]);
        return kind !== null && (kind.type === 'integer' || kind.type === 'boolean') ? kind : null;
      },
      takes: 'a list, what {"var": "current"} and {"var": "accumulator"} come to, and a start: integers or booleans',
      meaning: 'what was gathered from the items, one after the other',
      write: writeReduce,
    },
  ],
  [
    'merge',
    {
      group: 'list',
      arity: [0, mostArguments],
      typing: merged,
      takes: 'lists and single items, all texts or all integers',
      meaning: 'one list of all of them, in order',
      write: (args, state) => state.compile`[${writeList(args, state)}].flat()`,
    },
  ],
  [
    'intersects',
    {
      group: 'list',
      arity: [2, 2],
      typing: twoLists,
      takes: 'two lists of texts or of integers',
      meaning: 'whether they have an item in common',
      write: calling((a: readonly unknown[], b: readonly unknown[]) => {
        const members = new Set(b);
        return a.some((item) => members.has(item));
      }),
    },
  ],
  [
    'subset',
    {
      group: 'list',
      arity: [2, 2],
      typing: twoLists,
      takes: 'two lists of texts or of integers',
      meaning: 'whether every item of the first is in the second; true for no items',
      write: calling((a: readonly unknown[], b: readonly unknown[]) => {
        const members = new Set(b);
        return a.every((item) => members.has(item));
      }),
    },
  ],
];

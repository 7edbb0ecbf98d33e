import type { BuildState, CompiledCode } from 'json-logic-engine';

/** Writes the code of one operator over the logic of its arguments. The generated function's parameter is `context`. */
export type Write = (args: readonly unknown[], state: BuildState) => CompiledCode;

/** Literal lists longer than this are looked up in a set instead of searched. */
const longestSearchedList = 8;

/** Symbols by which the engine knows its generated code, and a function that returns no promise. */
const compiled = Symbol.for('json_logic_compiled');
const synchronous = Symbol.for('json_logic_sync');

const sync = <F extends (...args: never[]) => unknown>(call: F): F => Object.assign(call, { [synchronous]: true });

const code = (text: string): CompiledCode => ({ [compiled]: text });

const requireExact = sync((value: number): number => {
  if (!Number.isSafeInteger(value)) throw new RangeError('arithmetic left the exact integers');
  return value;
});
const isTruthy = sync((value: unknown): boolean => (Array.isArray(value) ? value.length > 0 : Boolean(value)));
const everyItem = sync(
  (list: readonly string[], test: (item: string) => boolean) => list.length > 0 && list.every(test),
);
const smallest = sync((...values: number[]): number => Math.min(...values));
const largest = sync((...values: number[]): number => Math.max(...values));

/** `(a) sign (b) sign (c)`, parenthesised as a whole. */
export function join(sign: string): Write {
  return (args, state) => {
    let out = state.compile`(${args[0]})`;
    for (const arg of args.slice(1)) out = state.compile`${out} ${code(sign)} (${arg})`;
    return state.compile`(${out})`;
  };
}

/** `a < b`; with three arguments `between(a, b, c)`, so that each is computed once. */
export function compare(sign: string, between: (low: number, middle: number, high: number) => boolean): Write {
  const test = sync(between);
  const pair = join(sign);
  return (args, state) =>
    args.length === 3 ? state.compile`${test}(${args[0]}, ${args[1]}, ${args[2]})` : pair(args, state);
}

/** Arithmetic whose result must be an exact integer (2^53): anything else throws, nothing is rounded. */
export function exact(write: Write): Write {
  return (args, state) => state.compile`${requireExact}(${write(args, state)})`;
}

/** `!`: the opposite of `!!`. */
export const writeNegation: Write = (args, state) => state.compile`!${isTruthy}(${args[0]})`;
/** `!!`: false for false, 0, "" and the empty list, as JSON Logic has it. */
export const writeTruth: Write = (args, state) => state.compile`${isTruthy}(${args[0]})`;
/** `some`: whether the test holds for an item; false for no items. */
export const writeSome: Write = (args, state) => state.compile`(${args[0]}).some((context) => ${args[1]})`;
/** `none`: the opposite of `some`. */
export const writeNone: Write = (args, state) => state.compile`!(${args[0]}).some((context) => ${args[1]})`;
/** `all`: whether the test holds for every item; false for no items, as JSON Logic has it. */
export const writeAll: Write = (args, state) => state.compile`${everyItem}(${args[0]}, (context) => ${args[1]})`;
/** `min` of integers. */
export const writeMin: Write = (args, state) => writeCall(smallest, args, state);
/** `max` of integers. */
export const writeMax: Write = (args, state) => writeCall(largest, args, state);
/** `in`: item first, then the list or text it may be part of. */
export const writeIn: Write = (args, state) => writeMembership(args[0], args[1], state);
/** `contains`: the list or text first, then the item. */
export const writeContains: Write = (args, state) => writeMembership(args[1], args[0], state);

/** `-`: the negative of one integer, or the difference of two. */
export const writeDifference: Write = (args, state) =>
  args.length === 1 ? state.compile`-(${args[0]})` : join('-')(args, state);

/** `startsWith` and `endsWith`, case included. */
export const writeTextTest =
  (method: 'startsWith' | 'endsWith'): Write =>
  (args, state) =>
    state.compile`(${args[0]}).${code(method)}(${args[1]})`;

/** `a ? b : c ? d : e`. */
export const writeBranches: Write = (args, state) => {
  let out = state.compile`${args[args.length - 1]}`;
  for (let i = args.length - 3; i >= 0; i -= 2) out = state.compile`(${args[i]}) ? (${args[i + 1]}) : (${out})`;
  return state.compile`(${out})`;
};

/**
 * `{"var": ["name", default]}` reads the fact from the flat map of facts by its whole name; `{"var": [""]}` is the item at
 * hand. The checker lets only names of the fact table through.
 */
export const writeFact: Write = ([name, fallback], state) => {
  if (name === '') return code('context');
  const read = code(`context[${JSON.stringify(name)}]`);
  return fallback === undefined ? read : state.compile`(${read} ?? ${fallback})`;
};

function writeMembership(item: unknown, list: unknown, state: BuildState): CompiledCode {
  // `|| []` as in both JSON Logic engines: nothing is in the empty text, not even the empty text.
  if (!Array.isArray(list) || list.length <= longestSearchedList)
    return state.compile`((${list}) || []).includes(${item})`;
  const members = new Set<unknown>(list);
  const isMember = sync((value: unknown) => members.has(value));
  return state.compile`${isMember}(${item})`;
}

function writeCall(call: (...values: number[]) => number, args: readonly unknown[], state: BuildState): CompiledCode {
  let list = state.compile`${args[0]}`;
  for (const arg of args.slice(1)) list = state.compile`${list}, ${arg}`;
  return state.compile`${call}(${list})`;
}

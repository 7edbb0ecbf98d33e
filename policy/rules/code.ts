import type { BuildState, CompiledCode } from 'json-logic-engine';

/**
 * Writes the code of one operator over the logic of its arguments. In the generated function `context` is the frame of the
 * decision, and inside list tests `item`, `current` and `accumulator` are what their names say.
 */
export type Write = (args: readonly unknown[], state: BuildState) => CompiledCode;

/** Symbols by which the engine knows its generated code, and a function that returns no promise. */
const compiled = Symbol.for('json_logic_compiled');
const synchronous = Symbol.for('json_logic_sync');

/** Marks a function as one that returns no promise, so that the engine calls it plainly. */
export const sync = <F extends (...args: never[]) => unknown>(call: F): F =>
  Object.assign(call, { [synchronous]: true });

/** A piece of generated code. Only ever made of constants of ours and of JSON text. */
export const code = (text: string): CompiledCode => ({ [compiled]: text });

/** False for false, 0, "" and the empty list, as JSON Logic has it. */
export const isTruthy = sync((value: unknown): boolean => (Array.isArray(value) ? value.length > 0 : Boolean(value)));

/** `(a) sign (b) sign (c)`, parenthesised as a whole. */
export function join(sign: string): Write {
  return (args, state) => {
    let out = state.compile`(${args[0]})`;
    for (const arg of args.slice(1)) out = state.compile`${out} ${code(sign)} (${arg})`;
    return state.compile`(${out})`;
  };
}

/** `a, b, c`. */
export const writeList: Write = (args, state) => {
  let list = code('');
  for (const [i, arg] of args.entries()) list = i === 0 ? state.compile`${arg}` : state.compile`${list}, ${arg}`;
  return list;
};

/** `call(a, b, c)`. */
export function calling(call: (...values: never[]) => unknown): Write {
  const marked = sync(call);
  return (args, state) => state.compile`${marked}(${writeList(args, state)})`;
}

/** `call(() => a, () => b)`, for a function that computes only the values it needs. */
export function callingLazily(call: (...parts: (() => unknown)[]) => unknown): Write {
  const marked = sync(call);
  return (args, state) =>
    state.compile`${marked}(${writeList(
      args.map((arg) => state.compile`() => (${arg})`),
      state,
    )})`;
}

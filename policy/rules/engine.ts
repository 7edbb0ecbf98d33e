import { LogicEngine, type Method } from 'json-logic-engine';
import type { DecisionContext } from '../../storage/schema/decision.ts';
import { code, sync, type Write } from './code.ts';
import type { CallExpression, Expression } from './expression.ts';
import { operatorTable } from './operators.ts';
import { fastLogic, writeFact } from './operators-logic.ts';
import { writeIntegerOfText } from './operators-number.ts';

/**
 * Version of everything that turns a context and a policy into a verdict. It enters every decision digest: it changes with
 * any change to operators, facts, composition or the engines below.
 */
export const engineVersion = 'hoc-rules-2/json-logic-engine-5.0.7/re2js-2.10.0';

export type Facts = DecisionContext['facts'];

/** What an expression is evaluated on. */
export interface Frame {
  facts: Facts;
  missing: ReadonlySet<string>;
  atMs: number;
}

export type Evaluate = (frame: Frame) => unknown;

/** The frame of a decision. */
export function frameOf(context: DecisionContext): Frame {
  return { facts: context.facts, missing: new Set(context.missing), atMs: context.at_ms };
}

/**
 * Turns a checked expression into a function of the frame.
 *
 * The engine only ever sees logic that was rebuilt from a checked expression, and a method table without a prototype that
 * holds nothing but our operators; it would otherwise resolve `__defineGetter__` and friends through Object.prototype.
 * The function may throw (arithmetic beyond 2^53, no value, a fact of the wrong type in a context that `freezeContext` did
 * not make). About 35 us for ten parts.
 */
export function buildEvaluate(expression: Expression): Evaluate {
  return engine.build(toLogic(expression)) as Evaluate;
}

const writeItem: Write = ([name]) => code(name === '' ? 'item' : String(name));

/** What is absent of the names; nothing where enough of them are there. */
const listAbsent = sync((missing: ReadonlySet<string>, names: readonly string[], enough: number): readonly string[] => {
  const absent = names.filter((name) => missing.has(name));
  return names.length - absent.length >= enough ? [] : absent;
});
const writeMissing: Write = ([names, enough], state) =>
  state.compile`${listAbsent}(context.missing, ${names}, ${enough})`;

/** Operators under names of their own where the types allow or ask for other code. */
const variants: readonly (readonly [string, Write])[] = [
  ...fastLogic,
  ['integer of text', writeIntegerOfText],
  ['item', writeItem],
  ['missing', writeMissing],
  ['var', writeFact],
];

const engine = makeEngine();

function makeEngine(): LogicEngine {
  const made = new LogicEngine({}, { disableInline: true, disableInterpretedOptimization: true });
  const methods: Record<string, Method> = Object.create(null);
  const writers = [...[...operatorTable].map(([name, { write }]) => [name, write] as const), ...variants];
  for (const [name, compile] of writers) methods[name] = { lazy: true, deterministic: false, compile };
  made.methods = methods;
  return made;
}

function toLogic(expression: Expression): unknown {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'item':
      return { item: [expression.name] };
    case 'fact':
      return { var: expression.fallback === null ? [expression.name] : [expression.name, expression.fallback] };
    case 'scan':
      return { var: [expression.name] };
    case 'missing':
      return { missing: [expression.names, expression.enough ?? expression.names.length] };
    case 'call':
      return { [nameMethod(expression)]: expression.args.map(toLogic) };
  }
}

function nameMethod({ operator, type, args }: CallExpression): string {
  const [first] = args;
  if (operator === 'and' && type === 'boolean') return '&&';
  if (operator === 'or' && type === 'boolean') return '||';
  if (operator === '+' && first?.type === 'text') return 'integer of text';
  return operator;
}

import { LogicEngine, type Method } from 'json-logic-engine';
import type { DecisionContext } from '../../storage/schema/decision.ts';
import type { Expression } from './expression.ts';
import { writeFact } from './operator-code.ts';
import { operatorTable } from './operators.ts';

/**
 * Version of everything that turns a context and a policy into a verdict. It enters every decision digest: it changes with
 * any change to operators, facts, composition or the engine below.
 */
export const engineVersion = 'hoc-rules-1/json-logic-engine-5.0.7';

export type Facts = DecisionContext['facts'];
export type Evaluate = (facts: Facts) => unknown;

/**
 * Turns a checked expression into a function of the flat map of facts.
 *
 * The engine only ever sees logic that was rebuilt from a checked expression, and a method table without a prototype that
 * holds nothing but our operators; it would otherwise resolve `__defineGetter__` and friends through Object.prototype.
 * The function may throw (arithmetic beyond 2^53, a fact of the wrong type in a context that `freezeContext` did not make).
 * About 35 us for ten parts.
 */
export function buildEvaluate(expression: Expression): Evaluate {
  return engine.build(toLogic(expression)) as Evaluate;
}

const engine = makeEngine();

function makeEngine(): LogicEngine {
  const made = new LogicEngine({}, { disableInline: true, disableInterpretedOptimization: true });
  const methods: Record<string, Method> = Object.create(null);
  methods.var = { lazy: false, deterministic: false, compile: writeFact };
  for (const [name, operator] of operatorTable)
    methods[name] = { lazy: true, deterministic: false, compile: operator.write };
  made.methods = methods;
  return made;
}

function toLogic(expression: Expression): unknown {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'item':
      return { var: [''] };
    case 'fact':
      return { var: expression.fallback === null ? [expression.name] : [expression.name, expression.fallback] };
    case 'call':
      return { [expression.operator]: expression.args.map(toLogic) };
  }
}

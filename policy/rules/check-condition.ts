import type { PolicyPhase } from '../../storage/schema/snapshot.ts';
import { checkList, checkScalar } from './check-literal.ts';
import type { Expression } from './expression.ts';
import { factTable, findFact, findReservedPhase, phaseOrder } from './facts.ts';
import { operatorTable } from './operators.ts';
import { quote } from './quote.ts';
import { estimateWork, maxWork } from './work.ts';

const maxDepth = 16;
const maxNodes = 256;
const maxFindings = 20;

const quantifiers: ReadonlySet<string> = new Set(['some', 'none', 'all']);

/** One thing that is wrong with a condition: its place below `when`, and a sentence. */
export interface Fault {
  path: string;
  message: string;
}

export type CheckedCondition = { ok: true; expression: Expression } | { ok: false; faults: readonly Fault[] };

interface Walk {
  phase: PolicyPhase;
  nodes: number;
  faults: Fault[];
}

/** Where the walk stands: the path, how deep, and whether `{"var": ""}` means an item. */
interface Place {
  path: string;
  depth: number;
  insideQuantifier: boolean;
}

/**
 * Checks one condition against the closed tables of operators and facts and gives it types.
 *
 * Takes any value, also one made to break a checker: every limit is reached by counting, no key is looked up on an object
 * that inherits, nothing is evaluated. Bounds: depth 16, 256 nodes, lists of 1,000, texts of 250, estimated work of 2 ms.
 * Never throws: faults name their place and say what is expected.
 */
export function checkCondition(condition: unknown, phase: PolicyPhase): CheckedCondition {
  const walk: Walk = { phase, nodes: 0, faults: [] };
  const expression = checkNode(condition, { path: '', depth: 0, insideQuantifier: false }, walk);
  if (expression !== null && walk.faults.length === 0) {
    if (expression.type !== 'boolean') {
      walk.faults.push({ path: '', message: `a condition must be true or false, this is ${expression.type}` });
    } else if (estimateWork(expression) > maxWork) {
      walk.faults.push({ path: '', message: 'the condition takes too much work; search fewer texts or lists' });
    }
  }
  if (expression === null || walk.faults.length > 0) return { ok: false, faults: walk.faults.slice(0, maxFindings) };
  return { ok: true, expression };
}

function checkNode(node: unknown, place: Place, walk: Walk): Expression | null {
  walk.nodes++;
  if (walk.nodes > maxNodes) return fault(walk, place, `more than ${maxNodes} parts`);
  if (place.depth > maxDepth) return fault(walk, place, `nested deeper than ${maxDepth}`);
  if (Array.isArray(node)) {
    const list = checkList(node);
    return typeof list === 'string' ? fault(walk, place, list) : list;
  }
  if (typeof node !== 'object' || node === null) {
    const literal = checkScalar(node);
    return typeof literal === 'string' ? fault(walk, place, literal) : literal;
  }
  return checkObject(node, place, walk);
}

function checkObject(node: object, place: Place, walk: Walk): Expression | null {
  const prototype: unknown = Object.getPrototypeOf(node);
  if (prototype !== Object.prototype && prototype !== null) return fault(walk, place, 'not a plain JSON object');
  const members = Object.entries(node);
  const [member] = members;
  if (members.length !== 1 || member === undefined) {
    return fault(walk, place, `an operation is an object with exactly one key, this one has ${members.length}`);
  }
  const [name, value] = member;
  const inside = { ...place, path: `${place.path}.${name}`, depth: place.depth + 1 };
  if (name === 'var') return checkVar(value, inside, walk);
  const args: readonly unknown[] = Array.isArray(value) ? value : [value];
  return checkCall({ name, args }, inside, walk);
}

function checkVar(value: unknown, place: Place, walk: Walk): Expression | null {
  const [name, fallback, ...rest] = Array.isArray(value) ? (value as readonly unknown[]) : [value];
  if (typeof name !== 'string' || rest.length > 0)
    return fault(walk, place, '"var" takes the name of a fact, or [name, default]');
  if (place.insideQuantifier) {
    if (name === '' && fallback === undefined) return { kind: 'item', type: 'text' };
    return fault(walk, place, 'inside "some", "none" and "all" only {"var": ""}, the item at hand, can be read');
  }
  const fact = findFact(name);
  if (fact === undefined) return fault(walk, place, explainUnknownFact(name, walk.phase));
  if (phaseOrder.indexOf(fact.phase) > phaseOrder.indexOf(walk.phase)) {
    return fault(walk, place, `${name} is known from phase ${fact.phase}, later than ${walk.phase}`);
  }
  if (fallback === undefined) return { kind: 'fact', type: fact.type, name, fallback: null };
  const literal = checkScalar(fallback);
  if (typeof literal === 'string') return fault(walk, place, `default of ${name}: ${literal}`);
  if (literal.type !== fact.type)
    return fault(walk, place, `default of ${name}: expected ${fact.type}, not ${literal.type}`);
  return { kind: 'fact', type: fact.type, name, fallback: literal.value };
}

function checkCall(call: { name: string; args: readonly unknown[] }, place: Place, walk: Walk): Expression | null {
  const { name, args } = call;
  const operator = operatorTable.get(name);
  if (operator === undefined) {
    const known = ['var', ...operatorTable.keys()].join(' ');
    return fault(
      walk,
      { ...place, path: place.path.slice(0, -name.length - 1) },
      `unknown operator ${quote(name)}; known: ${known}`,
    );
  }
  const [fewest, most] = operator.arity;
  if (args.length < fewest || args.length > most) {
    const expected = fewest === most ? `${fewest}` : `${fewest} to ${most}`;
    return fault(walk, place, `"${name}" takes ${expected} arguments, not ${args.length}`);
  }
  const isQuantifier = quantifiers.has(name);
  if (isQuantifier && place.insideQuantifier)
    return fault(walk, place, `"${name}" cannot stand inside another list test`);
  const checked: Expression[] = [];
  for (const [i, arg] of args.entries()) {
    const insideQuantifier = place.insideQuantifier || (isQuantifier && i === 1);
    const expression = checkNode(arg, { path: `${place.path}[${i}]`, depth: place.depth, insideQuantifier }, walk);
    if (expression !== null) checked.push(expression);
    if (walk.nodes > maxNodes) break;
  }
  if (checked.length < args.length) return null;
  const types = checked.map((arg) => arg.type);
  const type = operator.resultType(types);
  if (type === null) return fault(walk, place, `"${name}" takes ${operator.takes}; given ${types.join(', ')}`);
  return { kind: 'call', type, operator: name, args: checked };
}

function explainUnknownFact(name: string, phase: PolicyPhase): string {
  if (name === '') return '{"var": ""} has a meaning only inside "some", "none" and "all"';
  const later = findReservedPhase(name);
  if (later !== undefined) return `${quote(name)} belongs to phase ${later}, which a ${phase} policy cannot read`;
  return `unknown fact ${quote(name)}; known: ${[...factTable.keys()].join(' ')} tags.<name>`;
}

function fault(walk: Walk, place: Place, message: string): null {
  walk.faults.push({ path: place.path, message });
  return null;
}

import type { PolicyPhase } from '../../storage/schema/snapshot.ts';
import { checkMissing, checkQuantity, checkScan, checkVar } from './check-forms.ts';
import { checkList, checkScalar } from './check-literal.ts';
import type { Expression, ItemName } from './expression.ts';
import { type FactSource, factsOf } from './facts.ts';
import { describeKind, itemKind, type Kind } from './kinds.ts';
import { maxWork } from './measure.ts';
import { findNearestName } from './nearest-names.ts';
import { mostArguments, type Operator } from './operator.ts';
import { operatorTable, specialForms } from './operators.ts';
import { listTests } from './operators-list.ts';
import { quote } from './quote.ts';
import { accept, type Fault, fault, type Place, type Walk } from './walk.ts';

const maxDepth = 16;
const maxNodes = 256;
const maxFindings = 20;

/** `work`: microseconds of the worst case, an upper bound. `paths`: where each part stands below `when`. */
export type CheckedCondition =
  | { ok: true; expression: Expression; work: number; paths: ReadonlyMap<Expression, string> }
  | { ok: false; faults: readonly Fault[] };

const anyFact = factsOf();

/**
 * Checks one condition against the closed tables of operators and facts and gives it types.
 *
 * Takes any value, also one made to break a checker: every limit is reached by counting, no key is looked up on an object
 * that inherits, each member is read once, nothing is evaluated. Bounds: depth 16, 256 nodes, lists of 1,000, texts of 250,
 * what it makes, estimated work of 2 ms. Never throws: faults name their place and say what is expected.
 */
export function checkCondition(condition: unknown, phase: PolicyPhase, facts: FactSource = anyFact): CheckedCondition {
  const checked = checkExpression(condition, phase, facts);
  if (checked.ok && checked.expression.type !== 'boolean') {
    const message = `a condition must be true or false, this is ${describeKind(checked.expression)}`;
    return { ok: false, faults: [{ path: '', message }] };
  }
  return checked;
}

/** The same for an expression of any type. */
export function checkExpression(node: unknown, phase: PolicyPhase, facts: FactSource): CheckedCondition {
  const walk: Walk = { phase, facts, nodes: 0, faults: [], measures: new Map(), paths: new Map() };
  let expression: Expression | null = null;
  try {
    expression = checkNode(node, { path: '', depth: 0, items: null }, walk);
  } catch {
    // Only what JSON cannot hold throws when it is read: a getter, a proxy.
    fault(walk, { path: '', depth: 0, items: null }, 'not plain JSON');
  }
  const work = expression === null ? 0 : (walk.measures.get(expression)?.work[1] ?? 0);
  if (walk.faults.length === 0 && work > maxWork) {
    const message = `the condition takes too much work (${Math.ceil(work)} of ${maxWork}); search fewer texts or lists`;
    walk.faults.push({ path: '', message });
  }
  if (expression === null || walk.faults.length > 0) return { ok: false, faults: walk.faults.slice(0, maxFindings) };
  return { ok: true, expression, work, paths: walk.paths };
}

function checkNode(node: unknown, place: Place, walk: Walk): Expression | null {
  walk.nodes++;
  if (walk.nodes > maxNodes) return fault(walk, place, `more than ${maxNodes} parts`);
  if (place.depth > maxDepth) return fault(walk, place, `nested deeper than ${maxDepth}`);
  if (Array.isArray(node)) return checkArray(node, place, walk);
  if (typeof node === 'object' && node !== null) return checkObject(node, place, walk);
  const literal = checkScalar(node);
  return typeof literal === 'string' ? fault(walk, place, literal) : accept(walk, place, literal);
}

/** A list of literals, or one that gathers the values of operations. */
function checkArray(items: readonly unknown[], place: Place, walk: Walk): Expression | null {
  const isMade = items.length <= mostArguments && items.some((item) => isOperation(item));
  if (isMade) {
    const nested = items.findIndex((item) => Array.isArray(item));
    if (nested >= 0)
      return fault(walk, place, `item ${nested} of the list: a list cannot stand in a list; use "merge"`);
    return checkCall({ name: 'merge', args: items }, place, walk);
  }
  const list = checkList(items);
  return typeof list === 'string' ? fault(walk, place, list) : accept(walk, place, list);
}

function isOperation(item: unknown): boolean {
  return typeof item === 'object' && item !== null && !Array.isArray(item);
}

function checkObject(node: object, place: Place, walk: Walk): Expression | null {
  const prototype: unknown = Object.getPrototypeOf(node);
  if (prototype !== Object.prototype && prototype !== null) return fault(walk, place, 'not a plain JSON object');
  const keys = Object.keys(node);
  const [name] = keys;
  if (keys.length !== 1 || name === undefined) {
    return fault(walk, place, `an operation is an object with exactly one key, this one has ${keys.length}`);
  }
  const member = Object.getOwnPropertyDescriptor(node, name);
  if (member === undefined || !('value' in member)) return fault(walk, place, 'not a plain JSON object');
  const value: unknown = member.value;
  const inside = { ...place, path: `${place.path}.${name}`, depth: place.depth + 1 };
  const args: readonly unknown[] = Array.isArray(value) ? value : [value];
  switch (name) {
    case 'var':
      return keep(checkVar(args, inside, walk), inside, walk);
    case 'quantity':
      return keep(checkQuantity(args, inside, walk), inside, walk);
    case 'missing':
    case 'missing_some':
      return keep(checkMissing({ enough: name === 'missing_some', args }, inside, walk), inside, walk);
    default:
      if (operatorTable.has(name)) return checkCall({ name, args }, inside, walk);
      return fault(walk, place, explainUnknownOperator(name));
  }
}

function keep(expression: Expression | null, place: Place, walk: Walk): Expression | null {
  return expression === null ? null : accept(walk, place, expression);
}

function explainUnknownOperator(name: string): string {
  const known = [...specialForms.map((form) => form.name), ...operatorTable.keys()];
  const near = findNearestName(name, known);
  return `unknown operator ${quote(name)}; ${near === null ? '' : `did you mean ${near}? `}known: ${known.join(' ')}`;
}

interface Call {
  name: string;
  args: readonly unknown[];
}

function checkCall({ name, args }: Call, place: Place, walk: Walk): Expression | null {
  const operator = operatorTable.get(name);
  if (operator === undefined) return fault(walk, place, explainUnknownOperator(name));
  // `??` passes over null, which is no value; everywhere else it is refused as one.
  const given = name === '??' && args.length <= mostArguments ? args.filter((arg) => arg !== null) : args;
  const [fewest, most] = operator.arity;
  if (given.length < fewest || given.length > most) {
    const expected = fewest === most ? `${fewest}` : `${fewest} to ${most}`;
    return fault(walk, place, `"${name}" takes ${expected} arguments, not ${given.length}`);
  }
  const isListTest = listTests.has(name) && given.length > 1;
  if (isListTest && place.items !== null) return fault(walk, place, `"${name}" cannot stand inside another list test`);
  const checked = isListTest ? checkListTest({ name, args: given }, place, walk) : checkArguments(given, place, walk);
  if (checked === null) return null;
  return finishCall({ name, operator, args: checked }, place, walk);
}

function finishCall(
  call: { name: string; operator: Operator; args: readonly Expression[] },
  place: Place,
  walk: Walk,
): Expression | null {
  const { name, operator, args } = call;
  const scanned = checkScan({ name, args }, place, walk);
  if (scanned !== undefined) return keep(scanned, place, walk);
  const kind = operator.typing(args);
  if (kind === null) {
    const given = args.map(describeKind).join(', ');
    return fault(walk, place, `"${name}" takes ${operator.takes}; given ${given}${hintAt(args)}`);
  }
  if (name === '??' && args.some((arg) => arg.kind === 'call'))
    return fault(walk, place, '"??" takes facts and literals, no operations');
  const wrong = operator.literals?.(args) ?? null;
  if (wrong !== null) return fault(walk, place, wrong);
  const { type, unit } = kind;
  return accept(walk, place, { kind: 'call', type, unit, operator: name, args });
}

function hintAt(args: readonly Expression[]): string {
  if (args.some(({ type }) => type === 'content'))
    return '; a content can only be tested: matches, contains, startsWith, endsWith, length';
  const units = new Set(args.flatMap(({ unit }) => (unit === null ? [] : [unit])));
  return units.size > 1 ? '; different units do not compare, "bare" takes a unit away' : '';
}

function checkArguments(args: readonly unknown[], place: Place, walk: Walk): readonly Expression[] | null {
  const checked: Expression[] = [];
  for (let i = 0; i < args.length; i++) {
    const expression = checkNode(args[i], { ...place, path: `${place.path}[${i}]` }, walk);
    if (expression !== null) checked.push(expression);
    if (walk.nodes > maxNodes) break;
  }
  return checked.length < args.length ? null : checked;
}

/** The list first (and the start of `reduce`), because what stands in the test is typed by its items. */
function checkListTest({ name, args }: Call, place: Place, walk: Walk): readonly Expression[] | null {
  const check = (i: number, items: Place['items']) =>
    checkNode(args[i], { path: `${place.path}[${i}]`, depth: place.depth, items }, walk);
  const list = check(0, null);
  const start = name === 'reduce' ? check(2, null) : null;
  if (list === null || (name === 'reduce' && start === null)) return null;
  const item = itemKind(list);
  if (item === null) return fault(walk, place, `"${name}" takes a list first; given ${describeKind(list)}`);
  const items: [ItemName, Kind][] =
    start === null
      ? [['', item]]
      : [
          ['current', item],
          ['accumulator', { type: start.type, unit: start.unit }],
        ];
  const test = check(1, new Map(items));
  if (test === null) return null;
  return start === null ? [list, test] : [list, test, start];
}

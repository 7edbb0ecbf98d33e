import { checkScalar } from './check-literal.ts';
import type { Expression, FactExpression, ItemName } from './expression.ts';
import { findFact, isVisible } from './facts.ts';
import { plain } from './kinds.ts';
import { findNearestName } from './nearest-names.ts';
import { checkPatternText, checkStreamPatternText } from './pattern.ts';
import { readQuantity } from './quantity.ts';
import { quote } from './quote.ts';
import { nameScan, type ScanTestName } from './scans.ts';
import { fault, type Place, type Walk } from './walk.ts';

const mostNames = 64;
const itemNames: readonly ItemName[] = ['', 'current', 'accumulator'];

/** `var`: a fact with or without a default, or the item at hand. */
export function checkVar(args: readonly unknown[], place: Place, walk: Walk): Expression | null {
  const [name, fallback] = args;
  if (typeof name !== 'string' || args.length > 2)
    return fault(walk, place, '"var" takes the name of a fact, or [name, default]');
  if (place.items !== null) return checkItem(args, place, walk);
  if (name === '') return fault(walk, place, '{"var": ""} has a meaning only inside list tests such as "some"');
  const fact = checkFactName(name, place, walk);
  if (fact === null || args.length === 1) return fact;
  const literal = checkScalar(fallback);
  if (typeof literal === 'string') return fault(walk, place, `default of ${name}: ${literal}`);
  if (literal.type !== fact.type)
    return fault(walk, place, `default of ${name}: expected ${fact.type}, not ${literal.type}`);
  return { ...fact, fallback: literal.value };
}

function checkItem(args: readonly unknown[], place: Place, walk: Walk): Expression | null {
  const [name] = args;
  const known = itemNames.find((item) => item === name);
  const kind = known === undefined ? undefined : place.items?.get(known);
  if (known !== undefined && kind !== undefined && args.length === 1) return { kind: 'item', name: known, ...kind };
  const readable = [...(place.items?.keys() ?? [])].map((item) => `{"var": "${item}"}`).join(' and ');
  return fault(walk, place, `inside this list test only ${readable} can be read`);
}

function checkFactName(name: string, place: Place, walk: Walk): FactExpression | null {
  const definition = walk.facts.find(name);
  if (definition === undefined) return fault(walk, place, explainUnknownFact(name, walk));
  if (!isVisible(definition.phase, walk.phase)) {
    const { phase } = definition;
    return fault(walk, place, `${name} belongs to phase ${phase}, which ${walk.phase} policies cannot read`);
  }
  const { type, unit } = definition;
  return { kind: 'fact', type, unit, name, fallback: null };
}

function explainUnknownFact(name: string, walk: Walk): string {
  const names = walk.facts.names().filter((known) => {
    const phase = walk.facts.find(known)?.phase;
    return phase !== undefined && isVisible(phase, walk.phase);
  });
  const near = findNearestName(name, names);
  if (near !== null) return `unknown fact ${quote(name)}; did you mean ${near}?`;
  // A reading in its right form that is not found is of a limit that the tenant does not have.
  const isReading = name.startsWith('readings.') && findFact(name) !== undefined;
  const lacksLimit = !isReading ? '' : ', for the tenant has no limit of that id';
  return `unknown fact ${quote(name)}${lacksLimit}; known: what "hoc policy facts" lists`;
}

/** `missing`: names one by one or as one list. `missing_some`: how many are enough, and a list. */
export function checkMissing(input: { enough: boolean; args: readonly unknown[] }, place: Place, walk: Walk) {
  const [first, second] = input.args;
  if (place.items !== null) return fault(walk, place, 'cannot stand inside a list test');
  if (input.enough && (!Number.isSafeInteger(first) || Number(first) < 0 || input.args.length !== 2))
    return fault(walk, place, 'takes how many are enough, and a list of names of facts');
  const list: unknown = input.enough ? second : Array.isArray(first) && input.args.length === 1 ? first : input.args;
  if (!Array.isArray(list) || list.length > mostNames)
    return fault(walk, place, `takes at most ${mostNames} names of facts`);
  const names: string[] = [];
  for (let i = 0; i < list.length; i++) {
    const name: unknown = list[i];
    if (typeof name !== 'string') return fault(walk, place, 'takes the names of facts, each a literal text');
    if (checkFactName(name, place, walk) === null) return null;
    names.push(name);
  }
  const enough = input.enough ? Number(first) : null;
  return { kind: 'missing', ...plain('texts'), names, enough } satisfies Expression;
}

/** `quantity`: an exact integer with a unit. */
export function checkQuantity(args: readonly unknown[], place: Place, walk: Walk): Expression | null {
  const [text] = args;
  if (typeof text !== 'string' || args.length !== 1) return fault(walk, place, '"quantity" takes one literal text');
  const read = readQuantity(text);
  if (typeof read === 'string') return fault(walk, place, read);
  return { kind: 'literal', type: 'integer', unit: read.unit, value: read.value };
}

/** The tests that a content takes, and the place of the content among the arguments. */
const scanForms: ReadonlyMap<string, { test: ScanTestName; subject: number }> = new Map([
  ['matches', { test: 'matches', subject: 0 }],
  ['contains', { test: 'contains', subject: 0 }],
  ['in', { test: 'contains', subject: 1 }],
  ['startsWith', { test: 'startsWith', subject: 0 }],
  ['endsWith', { test: 'endsWith', subject: 0 }],
  ['length', { test: 'length', subject: 0 }],
]);

/** A call that tests a content fact, as the derived fact that holds its result; undefined for any other call. */
export function checkScan(call: { name: string; args: readonly Expression[] }, place: Place, walk: Walk) {
  const { name, args } = call;
  const form = scanForms.get(name);
  const content = form === undefined ? undefined : args[form.subject];
  if (form === undefined || content?.kind !== 'fact' || content.type !== 'content') return undefined;
  const { test, subject } = form;
  const literal = args.find((_, i) => i !== subject);
  if (test !== 'length' && (literal?.kind !== 'literal' || typeof literal.value !== 'string' || literal.value === ''))
    return fault(walk, place, `${content.name} is a content: what is looked for in it must be a literal text`);
  const pattern = literal?.kind === 'literal' && typeof literal.value === 'string' ? literal.value : '';
  const wrong = test === 'matches' ? checkScanPattern(content.name, pattern) : null;
  if (wrong !== null) return fault(walk, place, wrong);
  const kind = test === 'length' ? ({ type: 'integer', unit: 'characters' } as const) : plain('boolean');
  return {
    kind: 'scan',
    ...kind,
    name: nameScan(content.name, test, pattern),
    fact: content.name,
    test,
    pattern,
  } satisfies Expression;
}

function checkScanPattern(fact: string, pattern: string): string | null {
  return checkPatternText(pattern) ?? (fact.startsWith('stream.') ? checkStreamPatternText(pattern) : null);
}

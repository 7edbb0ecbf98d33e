import { weighPattern } from '../detectors/index.ts';
import type { CallExpression, Expression } from './expression.ts';
import { listTests } from './operators-list.ts';

/**
 * Most work that one condition may take, in microseconds of the worst case on facts of full length, as measured on Node 20
 * (2 cores, Debian 12). Searching 4,096 characters for a literal of 250 takes up to 20 us, for a fact of the same length up
 * to 950 us; a list fact holds at most 1,024 items and 65,536 characters.
 */
export const maxWork = 2_000;
/** Most characters of a text, or of all items of a list, that an expression may make. */
export const maxMadeCharacters = 131_072;
/** Most items of a list that an expression may make. */
export const maxMadeItems = 4_096;

const longestText = 4_096;
const longestListFact = 1_024;
const charactersOfListFact = 65_536;
const charactersOfNumber = 17;
const step = 0.05;
const searchForLiteral = 20;
const searchForFact = 950;
/** A text of at most 256 characters against one expression whose automaton is soon complete, the slowest case seen. */
const match = 100;
/** The same for a unit of weight of one that is not. */
const matchOfWeight = 2.5;
/** A character that is looked at and copied by code of ours, not by V8. */
const changeOfCharacter = 0.01;

/** Lower and upper end: with an empty item at hand and with the longest. Outside list tests they are the same. */
type Range = readonly [idle: number, full: number];

/** Upper bounds of what an expression costs and makes. */
export interface Measure {
  /** Microseconds. */
  work: Range;
  /** UTF-16 units of a text, or of all items of a list together. */
  characters: Range;
  /** Items of a list; 0 for other values. */
  items: number;
}

/** Bounds of an expression whose parts were measured already; `of` answers those. */
export function measure(expression: Expression, of: (part: Expression) => Measure): Measure {
  switch (expression.kind) {
    case 'literal':
      return constant(sizeOfLiteral(expression.value), Array.isArray(expression.value) ? expression.value.length : 0);
    case 'fact':
      if (expression.type === 'texts') return constant(charactersOfListFact, longestListFact);
      return constant(expression.type === 'text' ? longestText : charactersOfNumber, 0);
    case 'scan':
      return constant(charactersOfNumber, 0);
    case 'item':
      if (expression.type !== 'text') return constant(charactersOfNumber, 0);
      return { work: [step, step], characters: [0, longestText], items: 0 };
    case 'missing':
      return constant(sizeOfLiteral(expression.names), expression.names.length);
    case 'call': {
      const args = expression.args.map(of);
      return listTests.has(expression.operator) && args.length > 1
        ? measureListTest(expression, args)
        : measureCall(expression, args);
    }
  }
}

function constant(characters: number, items: number): Measure {
  return { work: [step, step], characters: [characters, characters], items };
}

function sizeOfLiteral(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + sizeOfLiteral(item), 0);
  return typeof value === 'string' ? value.length : charactersOfNumber;
}

const total = (args: readonly Measure[], read: (arg: Measure) => Range): Range => [
  args.reduce((sum, arg) => sum + read(arg)[0], 0),
  args.reduce((sum, arg) => sum + read(arg)[1], 0),
];
const longest = (args: readonly Measure[]): Range => [
  Math.max(...args.map((arg) => arg.characters[0])),
  Math.max(...args.map((arg) => arg.characters[1])),
];
const plus = (range: Range, more: (end: 0 | 1) => number): Range => [range[0] + more(0), range[1] + more(1)];
const number: Range = [charactersOfNumber, charactersOfNumber];

function measureCall(call: CallExpression, args: readonly Measure[]): Measure {
  const inner = plus(
    total(args, (arg) => arg.work),
    () => step,
  );
  const sum = total(args, (arg) => arg.characters);
  const items = Math.max(0, ...args.map((arg) => arg.items));
  const copied = plus(inner, (end) => sum[end] / longestText);
  switch (call.operator) {
    case 'cat':
      return { work: copied, characters: sum, items: 0 };
    case 'substr':
    case 'lower':
    case 'upper':
      return { work: plus(copied, (end) => sum[end] * changeOfCharacter), characters: longest(args), items: 0 };
    case 'and':
    case 'or':
    case 'if':
    case '?:':
    case '??':
      return { work: inner, characters: longest(args), items };
    case 'merge': {
      const made = args.reduce((count, arg, i) => count + (isList(call.args[i]) ? arg.items : 1), 0);
      return { work: plus(inner, () => made * step), characters: sum, items: made };
    }
    case 'intersects':
    case 'subset':
      return {
        work: plus(copied, () => args.reduce((count, arg) => count + arg.items, 0) * 2 * step),
        characters: number,
        items: 0,
      };
    case 'in':
    case 'contains':
      return { work: plus(inner, (end) => estimateSearch(call, args, end)), characters: number, items: 0 };
    case 'matches':
      return { work: plus(inner, () => estimateMatch(call.args[1])), characters: number, items: 0 };
    default:
      return { work: copied, characters: number, items: 0 };
  }
}

function estimateMatch(pattern: Expression | undefined): number {
  if (pattern?.kind !== 'literal' || typeof pattern.value !== 'string') return match;
  return Math.max(match, weighPattern(pattern.value).weight * matchOfWeight);
}

function isList(expression: Expression | undefined): boolean {
  return expression !== undefined && ['texts', 'integers', 'empty'].includes(expression.type);
}

/** A literal list of more than 8 items is a set; a text is searched as V8 does, at worst at every place the whole needle. */
function estimateSearch(call: CallExpression, args: readonly Measure[], end: 0 | 1): number {
  const [needle, hay] = call.operator === 'in' ? args : [args[1], args[0]];
  const haystack = call.operator === 'in' ? call.args[1] : call.args[0];
  if (needle === undefined || hay === undefined || haystack === undefined) return 0;
  const compared = hay.characters[end] / longestText;
  if (isList(haystack)) return haystack.kind === 'literal' ? 1 : hay.items * step + compared;
  const searched = call.operator === 'in' ? call.args[0] : call.args[1];
  if (searched?.kind === 'literal') return compared * searchForLiteral;
  const part = hay.characters[end] === 0 ? 0 : Math.min(needle.characters[end] / hay.characters[end], 0.5);
  return compared + compared ** 2 * 4 * part * (1 - part) * searchForFact;
}

/**
 * Steps are taken once an item. What depends on the item's length grows at least as fast as the length, so that over a
 * list it costs no more than if all its characters stood in items of full length.
 */
function measureListTest(call: CallExpression, args: readonly Measure[]): Measure {
  const [list, test, start] = args;
  if (list === undefined || test === undefined) return constant(0, 0);
  const isText = call.args[0]?.type === 'texts';
  const fullItems = isText ? Math.max(1, list.characters[1] / longestText) : 0;
  const over = ([idle, full]: Range) => list.items * idle + fullItems * (full - idle);
  const work = step + list.work[1] + (start?.work[1] ?? 0) + list.items * step + over(test.work);
  const result = (characters: Range, items: number): Measure => ({ work: [work, work], characters, items });
  if (call.operator === 'filter') return result(list.characters, list.items);
  if (call.operator !== 'map') return result(number, 0);
  const made = over(test.characters);
  return result([made, made], list.items);
}

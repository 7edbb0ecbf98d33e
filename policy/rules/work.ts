import type { Expression } from './expression.ts';

/**
 * Most work that one condition may take, in microseconds of the worst case on facts of full length, as measured on Node 20
 * (2 cores, Debian 12). Searching 4,096 characters for a literal of 250 takes up to 20 us, for a fact of the same length up
 * to 950 us; a list fact holds at most 1,024 items and 65,536 characters.
 */
export const maxWork = 2_000;

const searchForLiteral = 20;
const searchForFact = 950;
const longestListFact = 1_024;
/** Characters of a list fact against those of a text fact: 65,536 / 4,096. */
const listToText = 16;
const stepPerItem = 0.05;

const searching: ReadonlySet<string> = new Set(['in', 'contains']);
const quantifiers: ReadonlySet<string> = new Set(['some', 'none', 'all']);

/** Worst-case work of a checked expression in microseconds, an upper bound to compare with `maxWork`. */
export function estimateWork(expression: Expression): number {
  if (expression.kind !== 'call') return stepPerItem;
  const inner = expression.args.reduce((sum, arg) => sum + estimateWork(arg), stepPerItem);
  if (searching.has(expression.operator)) return inner + estimateSearch(expression);
  if (quantifiers.has(expression.operator)) return estimateQuantifier(expression);
  return inner;
}

function estimateSearch(search: Extract<Expression, { kind: 'call' }>): number {
  const [first, second] = search.operator === 'in' ? search.args : [search.args[1], search.args[0]];
  if (second?.kind === 'literal') return 1;
  if (second?.type === 'texts') return longestListFact * stepPerItem;
  return first?.kind === 'literal' || first?.kind === 'item' ? searchForLiteral : searchForFact;
}

/** Steps are taken once an item; searches inside cost by the characters of the whole list. */
function estimateQuantifier(call: Extract<Expression, { kind: 'call' }>): number {
  const [list, test] = call.args;
  if (list === undefined || test === undefined) return 0;
  const items = list.kind === 'literal' && Array.isArray(list.value) ? list.value.length : longestListFact;
  return countNodes(test) * stepPerItem * items + estimateWork(test) * listToText;
}

function countNodes(expression: Expression): number {
  return expression.kind === 'call' ? expression.args.reduce((sum, arg) => sum + countNodes(arg), 1) : 1;
}

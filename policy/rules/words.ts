import type { CallExpression, Expression, LiteralValue } from './expression.ts';
import type { Unit } from './kinds.ts';
import { listTests } from './operators-list.ts';

const mostItemsShown = 8;
const longestShown = 80;
/** What JSON leaves as it is and a terminal or a screen would obey: control codes from U+007F, marks of direction. */
const unprintable = /[\p{Cc}\p{Cf}]/gu;
const nanoUsdPerUsd = 1_000_000_000;

const comparisons: ReadonlyMap<string, string> = new Map([
  ['==', 'is'],
  ['===', 'is'],
  ['!=', 'is not'],
  ['!==', 'is not'],
  ['<', 'is less than'],
  ['<=', 'is at most'],
  ['>', 'is more than'],
  ['>=', 'is at least'],
  ['startsWith', 'starts with'],
  ['endsWith', 'ends with'],
  ['matches', 'matches'],
  ['intersects', 'has an item in common with'],
  ['subset', 'has no item outside'],
]);

const infix: ReadonlyMap<string, string> = new Map([
  ['and', 'and'],
  ['or', 'or'],
  ['+', '+'],
  ['-', '-'],
  ['*', '*'],
  ['/', '/'],
  ['%', '%'],
  ['??', 'or else'],
]);

const quantifiers: ReadonlyMap<string, string> = new Map([
  ['some', 'some item of'],
  ['none', 'no item of'],
  ['all', 'every item of'],
]);

/** An expression in plain words, for people. Literals are the policy's author's; facts stand by their names. */
export function describeExpression(expression: Expression): string {
  switch (expression.kind) {
    case 'literal':
      return describeValue(expression.value, expression.unit);
    case 'fact':
      return expression.fallback === null
        ? expression.name
        : `${expression.name} (else ${describeValue(expression.fallback, null)})`;
    case 'scan':
      return expression.name;
    case 'item':
      return expression.name === 'accumulator' ? 'what was gathered' : 'the item';
    case 'missing':
      return `what is missing of ${expression.names.join(', ')}${expression.enough === null ? '' : ` unless ${expression.enough} are there`}`;
    case 'call':
      return describeCall(expression);
  }
}

/** A value in words: texts in quotes and cut, long lists cut, integers with their unit. */
export function describeValue(value: LiteralValue | null, unit: Unit | null): string {
  if (typeof value === 'number') return describeInteger(value, unit);
  if (typeof value === 'string') return JSON.stringify(cut(value)).replace(unprintable, writeEscape);
  if (!Array.isArray(value)) return String(value);
  const shown = value.slice(0, mostItemsShown).map((item: string | number) => describeValue(item, unit));
  const rest = value.length - shown.length;
  return `[${shown.join(', ')}${rest > 0 ? `, and ${rest} more` : ''}]`;
}

function describeInteger(value: number, unit: Unit | null): string {
  if (unit === null || unit === 'count') return `${value}`;
  if (unit === 'percent') return `${value} %`;
  if (unit !== 'nano_usd') return `${value} ${unit}`;
  const [whole, rest] = [Math.trunc(Math.abs(value) / nanoUsdPerUsd), Math.abs(value) % nanoUsdPerUsd];
  const fraction = rest === 0 ? '' : `.${`${rest}`.padStart(9, '0').replace(/0+$/, '')}`;
  return `${value < 0 ? '-' : ''}${whole}${fraction} USD`;
}

function writeEscape(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

function cut(text: string): string {
  return text.length > longestShown ? `${text.slice(0, longestShown)}...` : text;
}

function describeCall({ operator, args }: CallExpression): string {
  const words = args.map(describeExpression);
  const [first = '', second = '', ...rest] = words;
  const comparison = comparisons.get(operator);
  if (comparison !== undefined) return words.join(` ${comparison} `);
  const sign = infix.get(operator);
  if (sign !== undefined && words.length > 1) return `(${words.join(` ${sign} `)})`;
  const quantifier = quantifiers.get(operator);
  if (quantifier !== undefined) return `${quantifier} ${first} passes: ${second}`;
  if (listTests.has(operator) && words.length > 1)
    return `${operator} of ${first} by: ${second}${rest.length > 0 ? ` from ${rest.join(', ')}` : ''}`;
  switch (operator) {
    case '!':
      return `not ${first}`;
    case '!!':
      return args[0]?.type === 'boolean' ? first : `${first} is not empty`;
    case 'in':
      return isList(args[1]) ? `${first} is one of ${second}` : `${first} is part of ${second}`;
    case 'contains':
      return `${first} contains ${second}`;
    case 'during':
      return `the time is within ${words.join(', ')}`;
    case 'bare':
      return first;
    case 'if':
    case '?:':
      return describeBranches(words);
    default:
      return `${operator}(${words.join(', ')})`;
  }
}

function describeBranches(words: readonly string[]): string {
  const parts: string[] = [];
  for (let i = 0; i + 1 < words.length; i += 2) parts.push(`if ${words[i]} then ${words[i + 1]}`);
  if (words.length % 2 === 1) parts.push(words.length === 1 ? `${words[0]}` : `else ${words.at(-1)}`);
  return parts.join(', ');
}

function isList(expression: Expression | undefined): boolean {
  return expression !== undefined && expression.type !== 'text';
}

import type { LiteralExpression } from './expression.ts';
import { plain } from './kinds.ts';

/** Longest text in a condition. Up to 251 characters V8 searches 4,096 in at most 20 us; beyond, measured, up to 950 us. */
const maxTextLength = 250;
const maxListLength = 1_000;
const loneSurrogate = /\p{Surrogate}/u;

type ScalarLiteral = LiteralExpression & { value: boolean | number | string };

/** A literal with its type, or a sentence that says why it is none. Floats, null and unsafe integers are none. */
export function checkScalar(value: unknown): ScalarLiteral | string {
  switch (typeof value) {
    case 'boolean':
      return { kind: 'literal', ...plain('boolean'), value };
    case 'number':
      if (!Number.isSafeInteger(value)) return 'a number must be an integer of at most 2^53 - 1; money is in nano-USD';
      return { kind: 'literal', ...plain('integer'), value: value + 0 };
    case 'string':
      if (value.length > maxTextLength) return `a text has at most ${maxTextLength} characters`;
      if (loneSurrogate.test(value)) return 'a text must be well-formed Unicode';
      return { kind: 'literal', ...plain('text'), value };
    default:
      if (value === null) return 'null is no value; give the fact a default: {"var": ["name", default]}';
      return 'expected true, false, an integer, a text, a list or an operation';
  }
}

/** A literal list of texts or of integers, or a sentence that says why it is none. */
export function checkList(items: readonly unknown[]): LiteralExpression | string {
  if (items.length > maxListLength) return `a list has at most ${maxListLength} items`;
  const texts: string[] = [];
  const integers: number[] = [];
  for (let i = 0; i < items.length; i++) {
    const item = checkScalar(items[i]);
    if (typeof item === 'string') return `item ${i} of the list: ${item}`;
    if (typeof item.value === 'boolean') return `item ${i} of the list: expected a text or an integer`;
    if (typeof item.value === 'string') texts.push(item.value);
    else integers.push(item.value);
  }
  if (texts.length > 0 && integers.length > 0) return 'a list holds texts or integers, not both';
  if (integers.length > 0) return { kind: 'literal', ...plain('integers'), value: integers };
  return { kind: 'literal', ...plain(texts.length === 0 ? 'empty' : 'texts'), value: texts };
}

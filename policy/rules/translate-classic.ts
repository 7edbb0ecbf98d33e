import type { DecisionContext } from '../../storage/schema/decision.ts';
import { findFact } from './facts.ts';
import { readQuantity } from './quantity.ts';
import { nameScan, type ScanTestName } from './scans.ts';

/** Why a condition cannot be put to json-logic-js. */
export class TranslationRefused extends Error {}

/** Operators that mean the same in json-logic-js on values of our types, with the most arguments for which they do. */
const classic: ReadonlyMap<string, number> = new Map([
  ['==', 2],
  ['===', 2],
  ['!=', 2],
  ['!==', 2],
  ['<', 3],
  ['<=', 3],
  ['>', 2],
  ['>=', 2],
  ['and', 64],
  ['or', 64],
  ['!', 1],
  ['!!', 1],
  ['if', 64],
  ['?:', 3],
  ['in', 2],
  ['+', 64],
  ['-', 2],
  ['*', 64],
  ['%', 2],
  ['min', 64],
  ['max', 64],
  ['cat', 64],
  ['substr', 3],
  ['some', 2],
  ['none', 2],
  ['all', 2],
  ['filter', 2],
  ['map', 2],
  ['reduce', 3],
  ['merge', 64],
]);

const scanTests: ReadonlyMap<string, ScanTestName> = new Map([
  ['matches', 'matches'],
  ['contains', 'contains'],
  ['in', 'contains'],
  ['startsWith', 'startsWith'],
  ['endsWith', 'endsWith'],
  ['length', 'length'],
]);

/**
 * A condition as json-logic-js can take it: operators of ours that have a classic equivalent are written as that. Throws
 * `TranslationRefused` where there is none, or where a fact is missing that the condition needs. Takes conditions that passed
 * their check.
 */
export function translate(node: unknown, context: DecisionContext): unknown {
  if (Array.isArray(node)) return node.map((item) => translate(item, context));
  if (typeof node !== 'object' || node === null) return node;
  const [[name, value] = ['', null]] = Object.entries(node);
  const args: readonly unknown[] = Array.isArray(value) ? value : [value];
  const scan = readScan(name, args);
  if (scan !== null) return readFact([scan], context);
  switch (name) {
    case 'var':
      return readFact(args, context);
    case 'missing':
    case 'missing_some':
      return { [name]: checkMissingNames(args, context) };
    case 'quantity':
      return translateQuantity(args[0]);
    case 'bare':
      return translate(args[0], context);
    case 'contains':
      return { in: [translate(args[1], context), translate(args[0], context)] };
  }
  const most = classic.get(name);
  if (most === undefined) throw new TranslationRefused(`json-logic-js has no operator ${name} like ours`);
  if (args.length > most) throw new TranslationRefused(`json-logic-js reads ${most} arguments of ${name}`);
  return { [name]: args.map((arg) => translate(arg, context)) };
}

/** The derived fact of a test of a content, or null for any other call. */
function readScan(name: string, args: readonly unknown[]): string | null {
  const test = scanTests.get(name);
  const [subject, other] = name === 'in' ? [args[1], args[0]] : [args[0], args[1]];
  if (test === undefined || typeof subject !== 'object' || subject === null) return null;
  const fact = [(subject as Readonly<Record<string, unknown>>).var].flat()[0];
  if (typeof fact !== 'string' || findFact(fact)?.type !== 'content') return null;
  return nameScan(fact, test, typeof other === 'string' ? other : '');
}

function readFact(args: readonly unknown[], { facts, missing }: DecisionContext): unknown {
  const [name, fallback] = args;
  if (typeof name !== 'string') throw new TranslationRefused('a name that is no text');
  const isMissing = missing.includes(name);
  if (isMissing && (fallback === undefined || (facts[name] ?? null) !== null))
    throw new TranslationRefused('a fact is missing');
  return { var: fallback === undefined ? [name] : [name, fallback] };
}

/** json-logic-js counts "" as missing; and a text that is held by its digest would count as there. */
function checkMissingNames(args: readonly unknown[], { facts, missing }: DecisionContext): readonly unknown[] {
  for (const name of args.flat()) {
    if (typeof name !== 'string') continue;
    const value = facts[name] ?? null;
    if (value === '' || (missing.includes(name) && value !== null))
      throw new TranslationRefused('an empty or unreadable fact counts otherwise as missing');
  }
  return args;
}

function translateQuantity(text: unknown): number {
  const read = readQuantity(String(text));
  if (typeof read === 'string') throw new TranslationRefused(read);
  return read.value;
}

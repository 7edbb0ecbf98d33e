import { compileMatch } from '../detectors/index.ts';
import { calling, code, sync, type Write } from './code.ts';
import type { Expression } from './expression.ts';
import { type Kind, listTypes, plain, scalarTypes } from './kinds.ts';
import { mostArguments, type Operator, type OperatorRow } from './operator.ts';
import { checkPatternText } from './pattern.ts';
import { isDuring, readTimeWindows } from './time-window.ts';

/** Longest text that `matches` looks at beside contents, UTF-16 units: model ids, tags, names. Longer ones stay open. */
export const longestMatched = 256;

const texts =
  (result: Kind) =>
  (args: readonly Kind[]): Kind | null =>
    args.every(({ type }) => type === 'text') ? result : null;

/** JSON Logic's own: a negative start counts from the end, a negative length leaves that many units off the end. */
function cut(text: string, start: number, length?: number): string {
  const from = start < 0 ? Math.max(text.length + start, 0) : Math.min(start, text.length);
  if (length === undefined) return text.slice(from);
  return length < 0 ? text.slice(from, Math.max(text.length + length, from)) : text.slice(from, from + length);
}

/** Letters of ASCII only: what other letters become depends on the Unicode version of the Node that runs. */
const lower = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
const upper = (text: string): string => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());

const writeTextTest =
  (method: 'startsWith' | 'endsWith'): Write =>
  (args, state) =>
    state.compile`(${args[0]}).${code(method)}(${args[1]})`;

/** Expressions by their patterns, the one used last at the end: a condition is compiled in two forms, which share them. */
const matchers = new Map<string, (text: string) => boolean>();
const mostMatchers = 64;

function matcherOf(pattern: string): (text: string) => boolean {
  const matcher = matchers.get(pattern) ?? compileMatch(pattern);
  matchers.delete(pattern);
  matchers.set(pattern, matcher);
  if (matchers.size > mostMatchers) for (const [oldest] of [...matchers].slice(0, 1)) matchers.delete(oldest);
  return matcher;
}

/** The expression is compiled with the condition, so that nothing is left to the first decision. */
const writeMatches: Write = ([text, pattern], state) => {
  const matches = matcherOf(String(pattern));
  const isMatch = sync((value: string): unknown => {
    if (value.length > longestMatched) throw new RangeError('a text too long to match');
    return matches(value);
  });
  return state.compile`${isMatch}(${text})`;
};

const writeDuring: Write = (args, state) => {
  const windows = readTimeWindows(args.map(String));
  const test = sync((atMs: number): boolean => {
    if (typeof windows === 'string') throw new RangeError(windows);
    return isDuring(windows, atMs);
  });
  return state.compile`${test}(context.atMs)`;
};

function literalTexts(args: readonly Expression[]): string[] | null {
  const found = args.flatMap((arg) => (arg.kind === 'literal' && typeof arg.value === 'string' ? [arg.value] : []));
  return found.length === args.length ? found : null;
}

function checkPatternArgument([, pattern]: readonly Expression[]): string | null {
  const [text] = pattern === undefined ? [] : (literalTexts([pattern]) ?? []);
  return text === undefined ? 'the pattern of "matches" must be a literal' : checkPatternText(text);
}

function checkWindows(args: readonly Expression[]): string | null {
  const found = literalTexts(args);
  if (found === null) return 'the windows of "during" must be literals';
  const windows = readTimeWindows(found);
  return typeof windows === 'string' ? windows : null;
}

const textTest = (method: 'startsWith' | 'endsWith', meaning: string): Operator => ({
  group: 'text',
  arity: [2, 2],
  typing: texts(plain('boolean')),
  takes: 'a text or content, and the text looked for',
  meaning,
  write: writeTextTest(method),
});

const letters = (change: (text: string) => string, meaning: string): Operator => ({
  group: 'text',
  arity: [1, 1],
  typing: texts(plain('text')),
  takes: 'one text',
  meaning: `${meaning} (ASCII letters; others stay as they are)`,
  write: calling(change),
});

const isLengthOf = ([arg]: readonly Kind[]): Kind | null => {
  if (arg?.type === 'text') return { type: 'integer', unit: 'characters' };
  return arg !== undefined && listTypes.has(arg.type) ? { type: 'integer', unit: 'count' } : null;
};

const isSubstring = ([text, ...numbers]: readonly Kind[]): Kind | null =>
  text?.type === 'text' && numbers.every(({ type }) => type === 'integer') ? plain('text') : null;

/** Texts, expressions on them, and the time of the decision. */
export const textOperators: readonly OperatorRow[] = [
  [
    'cat',
    {
      group: 'text',
      arity: [1, mostArguments],
      typing: (args) => (args.every(({ type }) => scalarTypes.has(type)) ? plain('text') : null),
      takes: 'texts, integers and booleans',
      meaning: 'all of them as one text',
      write: calling((...values: unknown[]) => values.join('')),
    },
  ],
  [
    'substr',
    {
      group: 'text',
      arity: [2, 3],
      typing: isSubstring,
      takes: 'a text, a start and perhaps a length',
      meaning: 'a part of it; a negative start counts from the end, a negative length leaves that many off the end',
      write: calling(cut),
    },
  ],
  ['lower', letters(lower, 'in lower case')],
  ['upper', letters(upper, 'in upper case')],
  [
    'length',
    {
      group: 'text',
      arity: [1, 1],
      typing: isLengthOf,
      takes: 'a text, a content or a list',
      meaning: 'how many UTF-16 units or items',
      write: (args, state) => state.compile`(${args[0]}).length`,
    },
  ],
  ['startsWith', textTest('startsWith', 'whether it begins so, case included')],
  ['endsWith', textTest('endsWith', 'whether it ends so, case included')],
  [
    'matches',
    {
      group: 'text',
      arity: [2, 2],
      typing: texts(plain('boolean')),
      takes: 'a text or content, and a literal RE2 expression',
      meaning: `whether the expression is found anywhere; beside contents on texts of at most ${longestMatched} characters, longer ones stay open`,
      write: writeMatches,
      literals: checkPatternArgument,
    },
  ],
  [
    'during',
    {
      group: 'time',
      arity: [1, 16],
      typing: texts(plain('boolean')),
      takes: 'windows such as "mon-fri 09:00-17:00", last perhaps an offset from UTC such as "+02:00"',
      meaning: 'whether the recorded instant of the decision lies in one of the windows',
      write: writeDuring,
      literals: checkWindows,
    },
  ],
];

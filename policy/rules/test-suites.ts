import { readFileSync } from 'node:fs';
import { type CheckedCondition, checkExpression } from './check-condition.ts';
import { buildEvaluate, type Frame } from './engine.ts';
import { type Expression, listNeededFacts, listReadFacts } from './expression.ts';
import type { FactDefinition, FactSource } from './facts.ts';
import { isOpen } from './three-valued.ts';

/** One case of the JSON Logic suites: a rule, its data, and what it comes to. For tests. */
export interface SuiteCase {
  description: string;
  rule: unknown;
  data?: unknown;
  result?: unknown;
  error?: unknown;
}

const folder = new URL('./fixtures/jsonlogic/suites/', import.meta.url);

/** The cases of every suite, by file name. */
export function readSuites(): ReadonlyMap<string, readonly SuiteCase[]> {
  const files = read('index.json') as string[];
  return new Map(files.map((file) => [file, (read(file) as (SuiteCase | string)[]).filter(isCase)]));
}

function read(file: string): unknown {
  return JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
}

function isCase(item: SuiteCase | string): item is SuiteCase {
  return typeof item !== 'string';
}

/** What became of a case: it gave what it should, it was refused at save for a reason, or it differs for one. */
export type Outcome =
  | { kind: 'equal' }
  /** JSON Logic says null or reports an error; here it is open, and a policy's `on_error` decides. */
  | { kind: 'open' }
  | { kind: 'refused'; reason: string }
  | { kind: 'different'; reason: string; found: unknown };

/** What facts that the data does not type may be: an empty list, a name that the data does not have. The first that fits. */
const guesses = [
  { list: 'texts', absent: 'text' },
  { list: 'integers', absent: 'integer' },
  { list: 'integers', absent: 'integers' },
  { list: 'texts', absent: 'boolean' },
] as const;
type Guess = (typeof guesses)[number];

/** Runs a case through the checker, compiler and evaluator of policies, on a fact table made from its own data. */
export function runCase(item: SuiteCase): Outcome {
  const outcomes = guesses.map((guess) => runWith(item, guess));
  const accepted = outcomes.find(({ kind }) => kind !== 'refused');
  return accepted ?? outcomes[0] ?? { kind: 'refused', reason: '' };
}

function runWith(item: SuiteCase, guess: Guess): Outcome {
  const known = readFacts(item, guess);
  const checked = checkExpression(item.rule, 'request', known.source);
  if (!checked.ok) return { kind: 'refused', reason: reasonOf(checked) };
  const value = evaluate(checked.expression, known.frame);
  const wanted = item.error === undefined ? (item.result ?? null) : null;
  if (value === undefined && wanted === null) return { kind: 'open' };
  if (value !== undefined && item.error === undefined && JSON.stringify(value) === JSON.stringify(wanted))
    return { kind: 'equal' };
  return { kind: 'different', reason: explainDifference(item, value), found: value };
}

/** Why a rule that is accepted comes to something else than in JSON Logic. Each is a choice of ours, none an accident. */
function explainDifference(item: SuiteCase, value: unknown): string {
  if (item.error !== undefined) return 'one argument may stand without a list around it';
  if (value !== undefined) return '"/" drops the fraction: there are no fractions';
  const operators = JSON.stringify(item.rule);
  if (/^\{"\+":"/.test(operators)) return '"+" of a text that is no integer is open, not a fraction, 0 or NaN';
  return 'a fact that is missing leaves the expression open, where JSON Logic goes on with null';
}

function reasonOf(checked: Extract<CheckedCondition, { ok: false }>): string {
  return checked.faults[0]?.message ?? '';
}

/** The value, or undefined where it is open. */
function evaluate(expression: Expression, frame: Frame): unknown {
  if (isOpen(frame, listNeededFacts(expression), listReadFacts(expression))) return undefined;
  try {
    return buildEvaluate(expression)(frame);
  } catch {
    return undefined;
  }
}

/**
 * The facts of a case: each leaf of its data by its dotted path, typed as it stands there. Names that the rule reads and the
 * data does not have are texts that the run is missing, as a tag is that a caller did not give.
 */
function readFacts({ rule, data }: SuiteCase, guess: Guess): { source: FactSource; frame: Frame } {
  const facts: Record<string, boolean | number | string | readonly string[] | null> = Object.create(null);
  const table = new Map<string, FactDefinition>();
  addFacts(data, '', (name, type, value) => {
    facts[name] = value as string;
    table.set(name, define(type === 'empty' ? guess.list : type));
  });
  const absent: string[] = [];
  for (const [name, fallback] of namesIn(rule)) {
    if (table.has(name) || isPrefix(name, data)) continue;
    absent.push(name);
    facts[name] = null;
    table.set(name, define(typeOf(fallback) ?? guess.absent));
  }
  const frame: Frame = { facts, missing: new Set(absent), atMs: 0 };
  return { source: { find: (name) => table.get(name), names: () => [...table.keys()] }, frame };
}

function define(type: string): FactDefinition {
  return { type: type as FactDefinition['type'], unit: null, phase: 'request', meaning: '' };
}

type AddFact = (name: string, type: string, value: unknown) => void;

function addFacts(value: unknown, name: string, add: AddFact): void {
  const type = typeOf(value);
  if (type !== null && name !== '') add(name, type, value);
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) addFacts(item, name === '' ? key : `${name}.${key}`, add);
}

function typeOf(value: unknown): string | null {
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value === 'string') return 'text';
  if (Number.isSafeInteger(value)) return 'integer';
  if (!Array.isArray(value)) return null;
  if (value.every((item) => typeof item === 'string')) return value.length === 0 ? 'empty' : 'texts';
  return value.every((item) => Number.isSafeInteger(item)) ? 'integers' : null;
}

/** Names that the rule asks for by `var`, `missing` or `missing_some`, with their defaults. */
function namesIn(rule: unknown): [name: string, fallback: unknown][] {
  if (typeof rule !== 'object' || rule === null) return [];
  if (Array.isArray(rule)) return rule.flatMap(namesIn);
  return Object.entries(rule).flatMap(([operator, value]) => {
    const inner = namesIn(value);
    const args: unknown[] = [value].flat();
    const [name, fallback] = args;
    if (operator === 'var') return typeof name === 'string' && name !== '' ? [[name, fallback], ...inner] : inner;
    if (operator !== 'missing' && operator !== 'missing_some') return inner;
    const names = args.flat().filter((item) => typeof item === 'string');
    return [...names.map((item): [string, unknown] => [item, undefined]), ...inner];
  });
}

/** Whether a name leads to something in the data that is no fact: an object, a list of objects, null, a fraction. */
function isPrefix(name: string, data: unknown): boolean {
  let at: unknown = data;
  for (const key of name.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return false;
    at = (at as Record<string, unknown>)[key];
  }
  return at !== null;
}

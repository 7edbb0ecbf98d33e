import { RE2Set } from 're2js';
import { checkPattern } from './pattern.ts';
import { groupPatterns } from './pattern-groups.ts';
import { weighPattern } from './pattern-weight.ts';

/** One test of a text against one literal. `length` counts UTF-16 units and ignores its pattern. */
export interface ScanTest {
  test: 'matches' | 'contains' | 'startsWith' | 'endsWith' | 'length';
  pattern: string;
}

/** Automata that are kept; with `automatonBytes` each, what they hold at most together is 64 MiB. */
const maxCompiled = 128;
/** Bytes that RE2 may use for one automaton; above, it starts anew and at last works without one. */
const automatonBytes = 512 * 1024;
/** The same for one that hostile texts make endless, so that what is made in vain stays small. */
const wildBytes = 64 * 1024;
/** Units of `weighPattern` in 20 us for 1,024 UTF-16 units, and in 80 ns for one. */
const weightOfPass = 2;
const weightOfStep = 8;

/** Automata by their patterns, the one used last at the end. A cache: what it holds never changes an answer. */
const compiled = new Map<string, RE2Set>();

/** The tests of a list that are patterns, grouped: by the list itself, which is the same for every run of a tenant. */
const plans = new WeakMap<readonly ScanTest[], readonly PatternGroup[]>();

/** Patterns that one automaton looks for in one pass. */
interface PatternGroup {
  key: string;
  patterns: readonly string[];
  /** Where each stands in the list of tests. */
  places: readonly number[];
  /** Units of `weighPattern`: of the heaviest, which is the only one where it is heavy. */
  weight: number;
}

/**
 * Answers each test on `text`, in order: booleans, and for `length` a number. Case and Unicode as they stand.
 *
 * `matches` searches anywhere in the text with RE2 (flags inside the pattern, `(?i)` and so on), in time linear in the
 * text; about 40 us for 4 KiB and up to 64 plain patterns once they are warm. Throws a `RangeError` for a pattern that
 * `checkPattern` refuses: nothing unchecked is ever run.
 */
export function scan(text: string, tests: readonly ScanTest[]): (boolean | number)[] {
  const answers = tests.map((one) => runTest(text, one));
  for (const group of planPatterns(tests)) {
    for (const id of findCompiled(group).match(text)) {
      const place = group.places[id];
      if (place !== undefined) answers[place] = true;
    }
  }
  return answers;
}

/** How often the text is read for these tests at worst, each time in 20 us for 1,024 units: what it costs grows with this and with the text. */
export function countPasses(tests: readonly ScanTest[]): number {
  const others = tests.reduce((count, { test }) => count + (test === 'matches' || test === 'length' ? 0 : 1), 0);
  return planPatterns(tests).reduce((sum, { weight }) => sum + Math.ceil(weight / weightOfPass), others);
}

/** Steps, of at most 80 ns, that these patterns take at worst for each character of a text; mostly it is one. */
export function countWorstSteps(tests: readonly ScanTest[]): number {
  return planPatterns(tests).reduce((sum, { weight }) => sum + Math.ceil(weight / weightOfStep), 0);
}

/** Compiles what tests need, group by group, some milliseconds each, so that none of it is left to the first text. */
export function* warmScans(tests: readonly ScanTest[]): Generator<void, void> {
  for (const group of planPatterns(tests)) {
    findCompiled(group);
    yield;
  }
}

/** Units of `weighPattern` that good patterns cost together; those that share an automaton cost what the heaviest of them does. */
export function weighPatterns(patterns: readonly string[]): number {
  return groupPatterns(patterns).reduce((sum, members) => sum + weighGroup(members.map((at) => patterns[at] ?? '')), 0);
}

function weighGroup(patterns: readonly string[]): number {
  return Math.max(...patterns.map((pattern) => weighPattern(pattern).weight));
}

/** Makes a test for one pattern, compiled at once, for short texts. Throws a `RangeError` for a pattern that `checkPattern` refuses. */
export function compileMatch(pattern: string): (text: string) => boolean {
  const set = compilePatterns([checked(pattern)], wildBytes);
  return (text) => set.match(text).length > 0;
}

function runTest(text: string, { test, pattern }: ScanTest): boolean | number {
  switch (test) {
    case 'matches':
      return false;
    case 'contains':
      return text.includes(pattern);
    case 'startsWith':
      return text.startsWith(pattern);
    case 'endsWith':
      return text.endsWith(pattern);
    case 'length':
      return text.length;
  }
}

function planPatterns(tests: readonly ScanTest[]): readonly PatternGroup[] {
  const known = plans.get(tests);
  if (known !== undefined) return known;
  const places = tests.flatMap(({ test }, index) => (test === 'matches' ? [index] : []));
  const patterns = places.map((place) => checked(tests[place]?.pattern ?? ''));
  const plan = groupPatterns(patterns).map((members) => {
    const own = members.map((member) => patterns[member] ?? '');
    const weight = weighGroup(own);
    const at = members.map((member) => places[member] ?? 0);
    return { key: JSON.stringify(own), patterns: own, places: at, weight };
  });
  plans.set(tests, plan);
  return plan;
}

function checked(pattern: string): string {
  const refused = checkPattern(pattern);
  if (refused !== null) throw new RangeError(`a pattern ${refused}`);
  return pattern;
}

function findCompiled({ key, patterns, weight }: PatternGroup): RE2Set {
  const known = compiled.get(key);
  compiled.delete(key);
  const set = known ?? compilePatterns(patterns, weight > 1 ? wildBytes : automatonBytes);
  compiled.set(key, set);
  if (compiled.size > maxCompiled) for (const [oldest] of [...compiled].slice(0, 1)) compiled.delete(oldest);
  return set;
}

function compilePatterns(patterns: readonly string[], bytes: number): RE2Set {
  const set = new RE2Set(RE2Set.UNANCHORED, 0, bytes);
  for (const pattern of patterns) set.add(pattern);
  set.compile();
  set.match(''); // The automaton is begun with the first text.
  return set;
}

import { RE2Set } from 're2js';
import { checkPattern, countInstructions } from './pattern.ts';
import { groupPatterns } from './pattern-groups.ts';

/** One test of a text against one literal. `length` counts UTF-16 units and ignores its pattern. */
export interface ScanTest {
  test: 'matches' | 'contains' | 'startsWith' | 'endsWith' | 'length';
  pattern: string;
}

/** Automata that are kept; with `automatonBytes` each, what they hold at most together is 64 MiB. */
const maxCompiled = 128;
/** Bytes that RE2 may use for one automaton; above, it starts anew and at last works without one. */
const automatonBytes = 512 * 1024;

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
  /** Of all of them. */
  instructions: number;
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

/** How often the text is read for these tests: what it costs grows with this and with the text. */
export function countPasses(tests: readonly ScanTest[]): number {
  const others = tests.reduce((count, { test }) => count + (test === 'matches' || test === 'length' ? 0 : 1), 0);
  return planPatterns(tests).length + others;
}

/** Steps, of at most 80 ns, that these patterns take at worst for each character of a text; mostly it is one. */
export function countWorstSteps(tests: readonly ScanTest[]): number {
  return planPatterns(tests).reduce((sum, { instructions }) => sum + instructions, 0);
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
  const patterns = places.map((place) => tests[place]?.pattern ?? '');
  const plan = groupPatterns(patterns).map((members) => {
    const own = members.map((member) => patterns[member] ?? '');
    const instructions = own.reduce((sum, pattern) => sum + weighPattern(pattern), 0);
    const at = members.map((member) => places[member] ?? 0);
    return { key: JSON.stringify(own), patterns: own, places: at, instructions };
  });
  plans.set(tests, plan);
  return plan;
}

function weighPattern(pattern: string): number {
  const refused = checkPattern(pattern);
  if (refused !== null) throw new RangeError(`a pattern ${refused}`);
  return countInstructions(pattern);
}

function findCompiled({ key, patterns }: PatternGroup): RE2Set {
  const known = compiled.get(key);
  compiled.delete(key);
  const set = known ?? compilePatterns(patterns);
  compiled.set(key, set);
  if (compiled.size > maxCompiled) for (const [oldest] of [...compiled].slice(0, 1)) compiled.delete(oldest);
  return set;
}

function compilePatterns(patterns: readonly string[]): RE2Set {
  const set = new RE2Set(RE2Set.UNANCHORED, 0, automatonBytes);
  for (const pattern of patterns) set.add(pattern);
  set.compile();
  return set;
}

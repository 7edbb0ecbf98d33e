import { RE2JS } from 're2js';
import { weighPattern } from './pattern-weight.ts';

/** Longest pattern of a policy, characters. */
export const maxPatternLength = 250;
/** Instructions a compiled pattern may have: each costs a step a character where RE2 cannot use its automaton. */
const maxInstructions = 1_500;
/** Character ranges of all its classes together: `\pL` alone has about 650, and each repetition repeats them. */
const maxRanges = 20_000;
/** Units of `weighPattern` for 1 ms over 4,096 characters. */
const weightOfMillisecond = 25;
/** Milliseconds over 4,096 characters that a pattern may take, and one that is looked for in streams. */
const mostMilliseconds = 10;
const mostInStreams = 1;
/** What becomes of `\b` between double quotes in YAML and JSON. Tabs and line ends are left to those who mean them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that are looked for.
const controlCharacters = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;
/** What people bring from other engines: looking ahead and behind, atomic groups, possessive quantifiers, backreferences. */
const beyondRe2 = /\(\?(?:[=!>]|<[=!])|[*+?}]\+|\\[1-9]/;
const lacking = '; RE2 has no look-around, atomic groups, possessive quantifiers or backreferences';

/**
 * Why a pattern may not stand in a policy, or null for a good one: control characters, no RE2 syntax, longer than 250 characters, a program
 * that is too large, or more than 10 ms for 4,096 characters of a text made for it. RE2 itself refuses nested repetitions above 1,000, so
 * compiling for the check is short (some milliseconds at most). The reason never repeats the pattern. Never throws.
 */
export function checkPattern(pattern: string): string | null {
  if (controlCharacters.test(pattern)) {
    return 'holds a control character; write \\b and its like with two backslashes, or in single quotes';
  }
  if (pattern.length > maxPatternLength) return `is longer than ${maxPatternLength} characters`;
  try {
    const { inst } = RE2JS.compile(pattern).re2().prog;
    if (inst.length > maxInstructions) return `compiles to more than ${maxInstructions} instructions`;
    if (countRanges(inst) > maxRanges) return `has more than ${maxRanges} character ranges`;
    return checkWeight(pattern, mostMilliseconds);
  } catch (cause) {
    return `is not a regular expression of RE2 (${reasonOf(cause)})${beyondRe2.test(pattern) ? lacking : ''}`;
  }
}

/** The same for a good pattern that is looked for in the window of a stream, over and over: more than 1 ms for 4,096 characters. Null for one that may. */
export function checkStreamPattern(pattern: string): string | null {
  return checkWeight(pattern, mostInStreams);
}

function checkWeight(pattern: string, most: number): string | null {
  const needed = weighPattern(pattern).weight / weightOfMillisecond;
  if (needed <= most) return null;
  return `may take ${Math.ceil(needed)} ms for 4,096 characters of a text made for it (at most ${most} ms here); shorten its repetitions of what matches much, such as .{0,40}, or look for fewer of them in a row`;
}

function countRanges(instructions: readonly { runes?: ArrayLike<number> | null }[]): number {
  return instructions.reduce((sum, { runes }) => sum + (runes?.length ?? 0) / 2, 0);
}

/** What RE2 says, without the part that quotes the pattern. */
function reasonOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : '';
  return /^error parsing regexp: ([^:`]*)/.exec(message)?.[1]?.trim() ?? 'it does not compile';
}

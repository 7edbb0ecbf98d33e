import { weighPattern } from './pattern-weight.ts';

/** Most patterns that share an automaton: one that a tenant adds makes no more than these be compiled again. */
const mostTogether = 64;
/** Longest counted repetition of a pattern that shares. */
const longestRepeat = 8;

const escapesAndClasses = /\\.|\[\^?\]?(?:\\.|[^\]\\])*\]/gs;
const narrowRepeat = /(?:\\[sd]| |-|_)[*+]/g;

/**
 * Indexes of the patterns that are looked for together, one list for each pass over a text.
 *
 * Patterns share an automaton where its states cannot multiply: plain words, classes and short repetitions. One with a
 * repetition of anything (`.*`, `\\w+`, `{1,50}`) goes on its own: beside others of its kind each new text would make new states.
 */
export function groupPatterns(patterns: readonly string[]): readonly (readonly number[])[] {
  const groups: number[][] = [];
  let shared: number[] = [];
  patterns.forEach((pattern, index) => {
    if (!canShare(pattern) || weighPattern(pattern).isWild) groups.push([index]);
    else if (shared.push(index) === mostTogether) {
      groups.push(shared);
      shared = [];
    }
  });
  if (shared.length > 0) groups.push(shared);
  return groups;
}

function canShare(pattern: string): boolean {
  const forms = pattern.replace(narrowRepeat, '').replace(escapesAndClasses, 'x');
  if (/[*+]/.test(forms)) return false;
  return [...forms.matchAll(/\{(\d*)(,?)(\d*)\}/g)].every(([, least = '', comma, most = '']) => {
    if (comma !== '' && most === '') return false;
    return Number(most === '' ? least : most) <= longestRepeat;
  });
}

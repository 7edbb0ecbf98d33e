import { checkPattern, checkStreamPattern } from '../detectors/index.ts';

/** What is wrong with a regular expression of a policy, as a sentence with the pattern as its subject, or null. */
export function checkPatternText(pattern: string): string | null {
  if (pattern === '') return 'the pattern is empty';
  const reason = checkPattern(pattern);
  return reason === null ? null : `the pattern ${reason}`;
}

/** The same for a good one that is looked for in the window of a stream. */
export function checkStreamPatternText(pattern: string): string | null {
  const reason = checkStreamPattern(pattern);
  return reason === null ? null : `the pattern ${reason}; streams are looked through over and over`;
}

import { isAlphanumeric } from './characters.ts';
import type { Span } from './detector.ts';
import type { View } from './view.ts';

const before = 48;
const after = 24;

/**
 * What stands within 48 characters before a span and 24 behind it, in lower case. What was redacted ends the neighbourhood,
 * so that redacting never makes new findings: its mark names detectors, and what was far moves near.
 */
export function neighbourhood(view: View, span: Span): string {
  const head = view.lower.slice(Math.max(0, span.start - before), span.start);
  const tail = view.lower.slice(span.end, span.end + after);
  return `${head.slice(head.lastIndexOf(']') + 1)}\n${cutAt(tail, '[')}`;
}

/** Whether one of `words` (lower case) stands near a span. */
export function hasContext(view: View, span: Span, words: readonly string[]): boolean {
  const near = neighbourhood(view, span);
  return words.some((word) => containsWord(near, word));
}

function cutAt(text: string, mark: string): string {
  const at = text.indexOf(mark);
  return at === -1 ? text : text.slice(0, at);
}

/** Whether `word` occurs in `text` with no ASCII letter or digit touching an end of it that is one itself. */
export function containsWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at !== -1; at = text.indexOf(word, at + 1)) {
    const end = at + word.length;
    const freeBefore = !isAlphanumeric(text, at - 1) || !isAlphanumeric(word, 0);
    const freeAfter = !isAlphanumeric(text, end) || !isAlphanumeric(word, word.length - 1);
    if (freeBefore && freeAfter) return true;
  }
  return false;
}

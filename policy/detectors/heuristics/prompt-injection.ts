import type { Span } from '../detector.ts';
import type { View } from '../view.ts';
import { injectionPhrases } from './injection-phrases.ts';
import { compilePhrases } from './phrases.ts';

const findPhrases = compilePhrases(injectionPhrases);
/** Fewest tag characters in a row that are no flag: the longest flags have six. */
const fewestTags = 8;

/** Attempts to put orders into a prompt, by known phrases. Heuristic: what is written plainly is found, what is rephrased passes. */
export function findPromptInjections(view: View): Span[] {
  return findPhrases(view.plain);
}

/** Compiles the phrases of `findPromptInjections`, step by step. */
export const warmPromptInjections = findPhrases.warm;

/** Runs of tag characters (U+E0000 to U+E007F), which spell ASCII that no reader sees. Spans lie in the text that was given. */
export function findTags(original: string): Span[] {
  const found: Span[] = [];
  for (let at = original.indexOf('\udb40'); at !== -1; at = original.indexOf('\udb40', at + 1)) {
    let end = at;
    while (isTag(original, end)) end += 2;
    if (end - at >= fewestTags * 2) found.push({ start: at, end });
    at = Math.max(at, end - 1);
  }
  return found;
}

function isTag(text: string, at: number): boolean {
  const low = text.charCodeAt(at + 1);
  return text.charCodeAt(at) === 0xdb40 && low >= 0xdc00 && low <= 0xdc7f;
}

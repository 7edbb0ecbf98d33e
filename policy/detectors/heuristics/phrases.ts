import { RE2JS, RE2Set } from 're2js';
import type { Span } from '../detector.ts';

/** Parts of a long text are looked at one by one; what lies over an edge is found whole in the overlap. */
const part = 4_096;
const overlap = 512;

interface CompiledPhrases {
  set: RE2Set;
  single: readonly RE2JS[];
}

/**
 * Makes a finder of RE2 expressions: one automaton tells in one pass which of them occur in a part of the text, and only those
 * are then placed. Expressions match at most `overlap` characters and nothing empty. Linear: parts are of fixed size. Compiled
 * when first asked: a process that looks for none pays nothing.
 */
export function compilePhrases(expressions: readonly string[]): (text: string) => Span[] {
  let compiled: CompiledPhrases | null = null;
  return (text) => {
    compiled ??= compileAll(expressions);
    const { set, single } = compiled;
    const found: Span[] = [];
    for (let from = 0; from < text.length; from = nextPart(text, from)) {
      const window = text.slice(from, from + part);
      for (const id of set.match(window)) found.push(...placesOf(single[id], window, from));
    }
    return found;
  };
}

function compileAll(expressions: readonly string[]): CompiledPhrases {
  const set = new RE2Set();
  for (const expression of expressions) set.add(expression);
  set.compile();
  return { set, single: expressions.map((expression) => RE2JS.compile(expression)) };
}

/** Where the next part begins: at a space where there is one near, so that no word and no line seems to begin there. */
function nextPart(text: string, from: number): number {
  const latest = from + part - overlap;
  if (from + part >= text.length) return text.length;
  for (let at = latest; at > latest - overlap; at -= 1) if (text.charCodeAt(at) <= 0x20) return at;
  return latest;
}

function placesOf(pattern: RE2JS | undefined, window: string, from: number): Span[] {
  const found: Span[] = [];
  const matcher = pattern?.matcher(window);
  while (matcher?.find() === true) found.push({ start: from + matcher.start(), end: from + matcher.end() });
  return found;
}

import { RE2JS, RE2Set } from 're2js';
import type { Span } from '../detector.ts';
import { toNative } from '../native-pattern.ts';

/** Parts of a long text are looked at one by one; what lies over an edge is found whole in the overlap. */
const part = 4_096;
const overlap = 512;

interface CompiledPhrases {
  set: RE2Set;
  /** Compiled when first found. */
  single: ((window: string) => Span[])[];
}

/** Finds phrases; `warm` compiles them one by one, so that whoever must not wait can do it before. */
export interface PhraseFinder {
  (text: string): Span[];
  warm(): Generator<void, void>;
}

/**
 * Makes a finder of RE2 expressions: one automaton tells in one pass which of them occur in a part of the text, and only those
 * are then placed. Expressions match at most `overlap` characters and nothing empty. Linear: parts are of fixed size. Compiled
 * when first asked: a process that looks for none pays nothing.
 */
export function compilePhrases(expressions: readonly string[]): PhraseFinder {
  let compiled: CompiledPhrases | null = null;
  function* compile(): Generator<void, CompiledPhrases> {
    const set = new RE2Set();
    for (const expression of expressions) {
      set.add(expression);
      yield;
    }
    set.compile();
    return { set, single: [] };
  }
  const placesOf = ({ single }: CompiledPhrases, id: number, window: string): Span[] => {
    single[id] ??= compilePlaces(expressions[id] ?? '');
    return single[id](window);
  };
  const find = (text: string) => {
    compiled ??= finish(compile());
    const known = compiled;
    const found: Span[] = [];
    for (let from = 0; from < text.length; from = nextPart(text, from)) {
      const window = text.slice(from, from + part);
      for (const id of known.set.match(window)) {
        for (const { start, end } of placesOf(known, id, window)) found.push({ start: from + start, end: from + end });
      }
    }
    return found;
  };
  return Object.assign(find, {
    *warm(): Generator<void, void> {
      if (compiled === null) compiled = yield* compile();
    },
  });
}

function finish<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Where the next part begins: at a space where there is one near, so that no word and no line seems to begin there. */
function nextPart(text: string, from: number): number {
  const latest = from + part - overlap;
  if (from + part >= text.length) return text.length;
  for (let at = latest; at > latest - overlap; at -= 1) if (text.charCodeAt(at) <= 0x20) return at;
  return latest;
}

/** Tells where an expression matches that the automaton has found: by the engine where it can, else by RE2. */
function compilePlaces(expression: string): (window: string) => Span[] {
  const native = toNative(expression, 'g');
  let exact: RE2JS | null = null;
  return (window) => {
    const quick = native === null ? [] : findNative(native, window);
    if (quick.length > 0) return quick;
    exact ??= RE2JS.compile(expression);
    return findPlaces(exact, window);
  };
}

function findNative(pattern: RegExp, window: string): Span[] {
  return [...window.matchAll(pattern)].map(({ index, 0: { length } }) => ({ start: index, end: index + length }));
}

function findPlaces(pattern: RE2JS, window: string): Span[] {
  const found: Span[] = [];
  const matcher = pattern.matcher(window);
  while (matcher.find()) found.push({ start: matcher.start(), end: matcher.end() });
  return found;
}

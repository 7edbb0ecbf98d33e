import { isWord } from './characters.ts';
import type { Span } from './detector.ts';
import type { View } from './view.ts';

/** Letters and digits without a break, with the runs of both: `AB12` is `L2D2`. */
interface Token extends Span {
  runs: string;
}

/** A number or code of a known shape: `letters` are its letters and digits alone, upper case as they stand. */
export interface Shaped extends Span {
  shape: string;
  letters: string;
}

/** No id has more letters and digits than this. */
const longestToken = 34;
const separators = ' -./';

/** Shapes with all their beginnings, so that a chain of tokens is left at the first that fits none. */
export interface ShapeTable {
  shapes: ReadonlySet<string>;
  beginnings: ReadonlySet<string>;
}

/**
 * Makes a table of shapes such as `D4 D4 D4 D4`, `L2D6L1` or `D3.D3.D3-D2`: runs of letters (L) and digits (D), joined by exactly one
 * space, hyphen, dot or slash.
 */
export function makeShapes(shapes: readonly string[]): ShapeTable {
  const beginnings = shapes.flatMap((shape) =>
    [...shape.matchAll(/[LD0-9]+/g)].map((part) => beginningOf(shape, part)),
  );
  return { shapes: new Set(shapes), beginnings: new Set(beginnings) };
}

function beginningOf(shape: string, part: { index: number; 0: string }): string {
  return shape.slice(0, part.index + part[0].length);
}

/**
 * Everything in the text that has a shape of the table, in order, the longer ones of a place last. It stands alone: no letter, digit or `_`
 * touches it, and it is no part of a longer chain with `-`, `.` or `/`, nor of more groups of digits as long as its own.
 * Linear: a token begins at most as many chains as the longest shape has groups.
 */
export function findShapes(view: View, table: ShapeTable): Shaped[] {
  const { text } = view;
  const tokens = tokenize(view);
  const found: Shaped[] = [];
  for (let first = 0; first < tokens.length; first += 1) {
    let shape = '';
    for (let last = first; last < tokens.length; last += 1) {
      const token = tokens[last];
      if (token === undefined || !(last === first || isJoined(text, tokens[last - 1], token))) break;
      shape += (last === first ? '' : text.charAt(token.start - 1)) + token.runs;
      if (!table.beginnings.has(shape)) break;
      if (table.shapes.has(shape) && standsAlone(text, tokens, { first, last })) {
        found.push(cutOut(text, tokens.slice(first, last + 1), shape));
      }
    }
  }
  return found;
}

function isJoined(text: string, one: Token | undefined, next: Token): boolean {
  return one?.end === next.start - 1 && separators.includes(text.charAt(one.end));
}

function cutOut(text: string, tokens: readonly Token[], shape: string): Shaped {
  const [start, end] = [tokens[0]?.start ?? 0, tokens.at(-1)?.end ?? 0];
  return { start, end, shape, letters: tokens.map((token) => text.slice(token.start, token.end)).join('') };
}

function standsAlone(text: string, tokens: readonly Token[], at: { first: number; last: number }): boolean {
  const [head, tail] = [tokens[at.first], tokens[at.last]];
  if (head === undefined || tail === undefined) return false;
  if (isWord(text, head.start - 1) || isWord(text, tail.end)) return false;
  if (isTight(text.charAt(head.start - 1)) && isWord(text, head.start - 2)) return false;
  if (isTight(text.charAt(tail.end)) && isWord(text, tail.end + 1)) return false;
  if (at.first === at.last) return true;
  return !continues(tokens[at.first - 1], head) && !continues(tail, tokens[at.last + 1]);
}

function isTight(character: string): boolean {
  return character === '-' || character === '.' || character === '/';
}

/** Whether the next group goes on where a group of four digits ends: then both belong to a longer number or to a table. */
function continues(one: Token | undefined, next: Token | undefined): boolean {
  return (
    one !== undefined && next !== undefined && next.start - one.end === 1 && one.runs === 'D4' && next.runs === 'D4'
  );
}

const known = new WeakMap<View, Token[]>();

/** The tokens of a view, made once for all detectors that ask. */
function tokenize(view: View): Token[] {
  const tokens = known.get(view) ?? readTokens(view.text);
  known.set(view, tokens);
  return tokens;
}

const digit = 1;
const letter = 2;
/** Kind of each ASCII unit; anything above is neither. */
const kinds = Uint8Array.from({ length: 128 }, (_, unit) => kindOf(String.fromCharCode(unit)));

function kindOf(character: string): number {
  if (character >= '0' && character <= '9') return digit;
  return (character >= 'A' && character <= 'Z') || (character >= 'a' && character <= 'z') ? letter : 0;
}

function readTokens(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; at += 1) {
    if ((kinds[text.charCodeAt(at)] ?? 0) === 0) continue;
    const token = readToken(text, at);
    tokens.push(token);
    at = token.end;
  }
  return tokens;
}

function readToken(text: string, start: number): Token {
  let [end, runs] = [start, ''];
  for (let kind = kinds[text.charCodeAt(end)] ?? 0; kind !== 0; ) {
    const from = end;
    while (kinds[text.charCodeAt(end)] === kind) end += 1;
    if (end - start <= longestToken) runs += `${kind === digit ? 'D' : 'L'}${end - from}`;
    kind = kinds[text.charCodeAt(end)] ?? 0;
  }
  return { start, end, runs: end - start <= longestToken ? runs : 'long' };
}

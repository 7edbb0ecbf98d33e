import { findStringEnd, skipSpace } from './delta-text.ts';
import { viewBytes } from './json-fields.ts';

/** Where a value stands in a JSON text: offsets of its first character and just behind its last. */
export interface JsonRange {
  start: number;
  end: number;
}

/** A member of an object; `nameStart` is the offset of its name's first quote. */
export interface JsonMember extends JsonRange {
  name: string;
  nameStart: number;
}

/**
 * A JSON text with one character for each of its bytes (latin1), so that offsets within it are byte offsets: no byte of a
 * character of several looks like a quote, a brace or white space. All functions of this file take such texts, which
 * a JSON parser took before; of broken ones they find less, and they never throw.
 */
export function readLatin1(bytes: Uint8Array): string {
  return viewBytes(bytes).toString('latin1');
}

/** Offset of the first character of a JSON text: behind a byte order mark and white space. */
export function findOpening(json: string): number {
  return skipSpace(json, json.startsWith('\u00ef\u00bb\u00bf') ? 3 : 0);
}

/** The members of the object that starts at `at`, in order; none where no object does. */
export function listMembers(json: string, at: number): JsonMember[] {
  const members: JsonMember[] = [];
  if (json.charCodeAt(at) !== 0x7b) return members;
  let nameStart = skipSpace(json, at + 1);
  while (json.charCodeAt(nameStart) === 0x22) {
    const nameEnd = findStringEnd(json, nameStart + 1);
    if (nameEnd < 0) break;
    const start = skipSpace(json, skipSpace(json, nameEnd + 1) + 1);
    const end = findValueEnd(json, start);
    if (end < 0) break;
    members.push({ name: decodeString(json, nameStart, nameEnd + 1), nameStart, start, end });
    nameStart = skipComma(json, end);
  }
  return members;
}

/** The elements of the array that starts at `at`, in order; none where no array does. */
export function listElements(json: string, at: number): JsonRange[] {
  const elements: JsonRange[] = [];
  if (json.charCodeAt(at) !== 0x5b) return elements;
  let start = skipSpace(json, at + 1);
  while (start < json.length && json.charCodeAt(start) !== 0x5d) {
    const end = findValueEnd(json, start);
    if (end <= start) break;
    elements.push({ start, end });
    start = skipComma(json, end);
  }
  return elements;
}

/** The last member of that name (the one JSON parsers take) of the object that starts at `at`. */
export function findMember(json: string, at: number, name: string): JsonMember | null {
  return listMembers(json, at).findLast((member) => member.name === name) ?? null;
}

/** Offset just behind the value that starts at `start`, or -1. Takes no recursion, so that no depth breaks it. */
export function findValueEnd(json: string, start: number): number {
  const first = json.charCodeAt(start);
  if (first === 0x22) return findStringEnd(json, start + 1) + 1 || -1;
  if (first !== 0x7b && first !== 0x5b) return findScalarEnd(json, start);
  let depth = 0;
  for (let at = start; at < json.length; at++) {
    const unit = json.charCodeAt(at);
    if (unit === 0x22) {
      at = findStringEnd(json, at + 1);
      if (at < 0) return -1;
    } else if (unit === 0x7b || unit === 0x5b) depth++;
    else if ((unit === 0x7d || unit === 0x5d) && --depth === 0) return at + 1;
  }
  return -1;
}

/** The text of the string literal from `start` to `end`, quotes included; broken escapes stay as they are. */
export function decodeString(json: string, start: number, end: number): string {
  const raw = json.slice(start + 1, end - 1);
  if (!/[\\\x80-\xff]/.test(raw)) return raw;
  const literal = Buffer.from(json.slice(start, end), 'latin1').toString('utf8');
  if (!raw.includes('\\')) return literal.slice(1, -1);
  try {
    return JSON.parse(literal) as string;
  } catch {
    // No parser took this text before: it is not the caller's or the provider's JSON, so that any reading is a guess.
    return literal.slice(1, -1);
  }
}

function findScalarEnd(json: string, start: number): number {
  let at = start;
  while (at < json.length) {
    const unit = json.charCodeAt(at);
    if (unit <= 0x20 || unit === 0x2c || unit === 0x5d || unit === 0x7d) break;
    at++;
  }
  return at;
}

function skipComma(json: string, at: number): number {
  const next = skipSpace(json, at);
  return json.charCodeAt(next) === 0x2c ? skipSpace(json, next + 1) : next;
}

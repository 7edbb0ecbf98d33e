import { viewBytes } from './json-fields.ts';
import {
  decodeString,
  type JsonMember,
  type JsonRange,
  listElements,
  listMembers,
  readLatin1,
} from './json-members.ts';

const nothing: ReadonlySet<string> = new Set();

/** Bytes from `start` to `end` give way to a text; nothing where both are the same: an insertion. */
export interface TextEdit extends JsonRange {
  text: string;
}

/** What becomes of one string of a body: another text, or JSON null, which any value may become. */
export interface TextReplacement extends JsonRange {
  text: string | null;
}

/** What becomes of the members of an object. Values are JSON texts. */
export interface MemberChanges {
  set: ReadonlyMap<string, string>;
  remove?: ReadonlySet<string>;
}

/**
 * Makes all edits at once; all other bytes stay as they are. Offsets are those of `bytes`. Edits at one place are made in
 * the order given, and one within what another takes out goes with it. The same bytes where there are none.
 */
export function applyEdits(bytes: Uint8Array, edits: readonly TextEdit[]): Uint8Array {
  if (edits.length === 0) return bytes;
  const view = viewBytes(bytes);
  // An insertion stands before what is taken out at its place, and the larger of two removals covers the smaller.
  const ordered = edits.toSorted((a, b) => a.start - b.start || widthRank(a, b));
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const { start, end, text } of ordered) {
    if (start < at) continue;
    pieces.push(view.subarray(at, start), Buffer.from(text));
    at = end;
  }
  return Buffer.concat([...pieces, view.subarray(at)]);
}

/**
 * Gives strings of a JSON text other texts, by the offsets of their literals (`TextSpot`), and so redacts a request or a
 * whole answer. A literal that says the same already keeps its spelling. Places that hold no string are left alone where
 * they get a text; null takes the place of any value.
 */
export function editTexts(bytes: Uint8Array, replacements: readonly TextReplacement[]): Uint8Array {
  return applyEdits(bytes, planTexts(readLatin1(bytes), replacements).edits);
}

/** The edits of `editTexts`, and how many of its places hold no string. */
export function planTexts(
  json: string,
  replacements: readonly TextReplacement[],
): { edits: TextEdit[]; misplaced: number } {
  const edits: TextEdit[] = [];
  let misplaced = 0;
  for (const { start, end, text } of replacements) {
    if (text === null) edits.push({ start, end, text: 'null' });
    else if (!isLiteral(json, start, end)) misplaced++;
    else if (decodeString(json, start, end) !== text) edits.push({ start, end, text: JSON.stringify(text) });
  }
  return { edits, misplaced };
}

/** Sets and removes members of the object that starts at `at`; what is set and not there yet becomes its first members. */
export function changeMembers(json: string, at: number, changes: MemberChanges): TextEdit[] {
  const members = listMembers(json, at);
  const isRemoved = ({ name }: JsonMember) => (changes.remove ?? nothing).has(name) && !changes.set.has(name);
  const edits = removeRuns(members.map((one) => ({ start: one.nameStart, end: one.end, out: isRemoved(one) })));
  for (const { name, start, end } of members) {
    const text = changes.set.get(name);
    if (text !== undefined) edits.push({ start, end, text });
  }
  const known = new Set(members.map(({ name }) => name));
  const added = [...changes.set].filter(([name]) => !known.has(name));
  if (added.length === 0) return edits;
  const text = added.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',');
  const isAlone = members.every(isRemoved);
  return [{ start: at + 1, end: at + 1, text: isAlone ? text : `${text},` }, ...edits];
}

/** Takes those elements out of the array that starts at `at` for which `isOut` holds. */
export function removeElements(json: string, at: number, isOut: (index: number) => boolean): TextEdit[] {
  return removeRuns(listElements(json, at).map(({ start, end }, index) => ({ start, end, out: isOut(index) })));
}

/** Inserts elements, as JSON texts, into the array that starts at `at`, behind the first `after` of those it has. */
export function insertElements(
  json: string,
  at: number,
  input: { after: number; texts: readonly string[] },
): TextEdit[] {
  if (input.texts.length === 0) return [];
  const elements = listElements(json, at);
  const text = input.texts.join(',');
  const before = elements[input.after - 1];
  if (before !== undefined) return [{ start: before.end, end: before.end, text: `,${text}` }];
  const [first] = elements;
  const place = first?.start ?? at + 1;
  return [{ start: place, end: place, text: first === undefined ? text : `${text},` }];
}

/** Each run of neighbours goes with the comma behind it, the last one with the comma before it. */
function removeRuns(items: readonly (JsonRange & { out: boolean })[]): TextEdit[] {
  const edits: TextEdit[] = [];
  let runStart = -1;
  for (const { start, out } of items) {
    if (out && runStart < 0) runStart = start;
    if (out || runStart < 0) continue;
    edits.push({ start: runStart, end: start, text: '' });
    runStart = -1;
  }
  const last = items.at(-1);
  const kept = items.findLast(({ out }) => !out);
  if (last !== undefined && runStart >= 0) edits.push({ start: kept?.end ?? runStart, end: last.end, text: '' });
  return edits;
}

function isLiteral(json: string, start: number, end: number): boolean {
  return end - start >= 2 && json.charCodeAt(start) === 0x22 && json.charCodeAt(end - 1) === 0x22;
}

function widthRank(a: TextEdit, b: TextEdit): number {
  if (a.start === a.end || b.start === b.end) return Number(a.start !== a.end) - Number(b.start !== b.end);
  return b.end - a.end;
}

import { findStringEnd, skipSpace } from './delta-text.ts';
import { isObject, parseJson, viewBytes } from './json-fields.ts';

const byteOrderMarkLength = 3;

/** Changes the text of a JSON object at one place only; null where its bytes have no such place. */
export type Edited = { bytes: Uint8Array } | null;

/** Inserts members right after the opening brace at offset `brace` of an object that `isEmpty` or not. */
export function insertMembers(view: Buffer, brace: number, input: { members: string; isEmpty: boolean }): Edited {
  if (brace < 0 || view[brace] !== 0x7b) return null;
  const text = input.isEmpty ? input.members : `${input.members},`;
  return { bytes: Buffer.concat([view.subarray(0, brace + 1), Buffer.from(text), view.subarray(brace + 1)]) };
}

/**
 * Sets a top-level member of the object in `bytes`, of which `body` is the parsed value, to a JSON text: in place of the
 * value that is there, else as the first member. All other bytes stay as they are.
 */
export function setMember(bytes: Uint8Array, body: unknown, member: { name: string; value: string }): Edited {
  if (!isObject(body)) return null;
  const view = viewBytes(bytes);
  if (!Object.hasOwn(body, member.name)) {
    const members = `${JSON.stringify(member.name)}:${member.value}`;
    return insertMembers(view, findOpening(view), { members, isEmpty: Object.keys(body).length === 0 });
  }
  const json = view.toString('latin1');
  const start = findMember(json, member.name);
  const end = start < 0 ? -1 : findValueEnd(json, start);
  if (end < 0) return null;
  return { bytes: Buffer.concat([view.subarray(0, start), Buffer.from(member.value), view.subarray(end)]) };
}

/** Offset of the first character of a JSON text: behind a byte order mark and white space. */
export function findOpening(view: Buffer): number {
  let at = view[0] === 0xef ? byteOrderMarkLength : 0;
  while (view[at] === 0x20 || view[at] === 0x0a || view[at] === 0x0d || view[at] === 0x09) at++;
  return at;
}

/** Offset of the value of the last top-level member `name` (the one JSON parsers take), or -1. `json` is latin1. */
export function findMember(json: string, name: string): number {
  let depth = 0;
  let found = -1;
  let at = json.indexOf('{');
  while (at >= 0 && at < json.length) {
    const unit = json.charCodeAt(at);
    if (unit === 0x7b || unit === 0x5b) depth++;
    else if (unit === 0x7d || unit === 0x5d) depth--;
    else if (unit === 0x22) {
      const end = findStringEnd(json, at + 1);
      if (end < 0) return -1;
      const next = skipSpace(json, end + 1);
      const isName = depth === 1 && json.charCodeAt(next) === 0x3a;
      if (isName && readName(json.slice(at, end + 1)) === name) found = skipSpace(json, next + 1);
      at = end;
    }
    at++;
  }
  return found;
}

/** Offset just behind the value that starts at `start`, or -1. */
function findValueEnd(json: string, start: number): number {
  let depth = 0;
  for (let at = start; at < json.length; at++) {
    const unit = json.charCodeAt(at);
    if (unit === 0x22) {
      at = findStringEnd(json, at + 1);
      if (at < 0) return -1;
    } else if (unit === 0x7b || unit === 0x5b) depth++;
    else if (unit === 0x7d || unit === 0x5d) {
      if (depth === 0) return trimEnd(json, start, at);
      depth--;
    } else if (unit === 0x2c && depth === 0) return trimEnd(json, start, at);
  }
  return -1;
}

function trimEnd(json: string, start: number, end: number): number {
  return start + json.slice(start, end).trimEnd().length;
}

function readName(quoted: string): unknown {
  return quoted.includes('\\') ? parseJson(quoted) : quoted.slice(1, -1);
}

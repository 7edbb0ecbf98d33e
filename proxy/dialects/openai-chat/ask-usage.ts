import { findStringEnd, skipSpace } from '../delta-text.ts';
import { isObject, viewBytes } from '../json-fields.ts';

const openBrace = 0x7b;
const byteOrderMarkLength = 3;

/**
 * Asks a stream for usage by inserting `"stream_options":{"include_usage":true}` right after the body's opening brace,
 * or `"include_usage":true` into a `stream_options` object that is there. All other bytes stay as they are. Null where
 * the request is no stream, already says whether it wants usage, or has no place for it.
 */
export function askChatUsage(bytes: Uint8Array, body: unknown): { bytes: Uint8Array } | null {
  if (!isObject(body) || body.stream !== true) return null;
  const view = viewBytes(bytes);
  if (body.stream_options === undefined) {
    return insert(view, findOpening(view), `"stream_options":{"include_usage":true}${isEmpty(body) ? '' : ','}`);
  }
  if (!isObject(body.stream_options) || body.stream_options.include_usage !== undefined) return null;
  const member = `"include_usage":true${isEmpty(body.stream_options) ? '' : ','}`;
  return insert(view, findMember(view.toString('latin1'), 'stream_options'), member);
}

function insert(view: Buffer, after: number, text: string): { bytes: Uint8Array } | null {
  if (after < 0 || view[after] !== openBrace) return null;
  return { bytes: Buffer.concat([view.subarray(0, after + 1), Buffer.from(text), view.subarray(after + 1)]) };
}

function isEmpty(object: object): boolean {
  return Object.keys(object).length === 0;
}

function findOpening(view: Buffer): number {
  let at = view[0] === 0xef ? byteOrderMarkLength : 0;
  while (view[at] === 0x20 || view[at] === 0x0a || view[at] === 0x0d || view[at] === 0x09) at++;
  return at;
}

/** Offset of the value of the last top-level member `name` (the one JSON parsers take), or -1. */
function findMember(json: string, name: string): number {
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
      if (isName && json.slice(at + 1, end) === name) found = skipSpace(json, next + 1);
      at = end;
    }
    at++;
  }
  return found;
}

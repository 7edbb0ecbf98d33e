import { applyEdits, changeMembers } from '../json-edits.ts';
import { isObject } from '../json-fields.ts';
import { findMember, findOpening, readLatin1 } from '../json-members.ts';

/**
 * Asks a stream for usage by inserting `"stream_options":{"include_usage":true}` right after the body's opening brace,
 * or `"include_usage":true` into a `stream_options` object that is there. All other bytes stay as they are. Null where
 * the request is no stream, already says whether it wants usage, or has no place for it.
 */
export function askChatUsage(bytes: Uint8Array, body: unknown): { bytes: Uint8Array } | null {
  if (!isObject(body) || body.stream !== true) return null;
  const json = readLatin1(bytes);
  const opening = findOpening(json);
  const insert = (at: number, name: string, value: string) => {
    const edits = changeMembers(json, at, { set: new Map([[name, value]]) });
    return { bytes: applyEdits(bytes, edits) };
  };
  if (body.stream_options === undefined) return insert(opening, 'stream_options', '{"include_usage":true}');
  if (!isObject(body.stream_options) || body.stream_options.include_usage !== undefined) return null;
  const options = findMember(json, opening, 'stream_options');
  return options === null ? null : insert(options.start, 'include_usage', 'true');
}

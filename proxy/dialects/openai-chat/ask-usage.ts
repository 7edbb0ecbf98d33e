import { isObject, viewBytes } from '../json-fields.ts';
import { findMember, findOpening, insertMembers } from '../json-members.ts';

/**
 * Asks a stream for usage by inserting `"stream_options":{"include_usage":true}` right after the body's opening brace,
 * or `"include_usage":true` into a `stream_options` object that is there. All other bytes stay as they are. Null where
 * the request is no stream, already says whether it wants usage, or has no place for it.
 */
export function askChatUsage(bytes: Uint8Array, body: unknown): { bytes: Uint8Array } | null {
  if (!isObject(body) || body.stream !== true) return null;
  const view = viewBytes(bytes);
  if (body.stream_options === undefined) {
    const members = '"stream_options":{"include_usage":true}';
    return insertMembers(view, findOpening(view), { members, isEmpty: false });
  }
  if (!isObject(body.stream_options) || body.stream_options.include_usage !== undefined) return null;
  const isEmpty = Object.keys(body.stream_options).length === 0;
  const brace = findMember(view.toString('latin1'), 'stream_options');
  return insertMembers(view, brace, { members: '"include_usage":true', isEmpty });
}

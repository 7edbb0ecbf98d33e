import type { TextRole, TextSpot } from './dialect.ts';
import { isObject, readText } from './json-fields.ts';
import { decodeString, findOpening, listMembers, readLatin1 } from './json-members.ts';
import { type WalkRules, walkStrings } from './json-walk.ts';

/**
 * How texts are looked for. `messages`: in each element, by its role. `content`: every string whose member is not known
 * to hold none. `leaves`: every string. `descriptions`: only what describes tools and schemas to the model.
 */
type TextRule = 'messages' | 'content' | 'leaves' | 'descriptions';

/** A place where texts are looked for. */
interface TextPlace {
  rule: TextRule;
  role: TextRole;
  part: TextSpot['part'];
  message: number | null;
}

/** Top-level members that hold texts, in the order in which their texts are told. */
export type TextLayout = readonly { name: string; rule: TextRule; role: TextRole }[];

/**
 * Members of messages that hold names, addresses, media or what a provider made for itself, and no text. Every other
 * string is one: a text under a name that is new must not pass unseen. A caller cannot hide a text under these, as
 * providers read none there.
 */
const withoutText = new Set(
  [
    'role type id name index object status format detail mode hash media_type mime_type file_type cache_control caller',
    'tool_call_id tool_use_id call_id file_id server_name tool_name finish_reason stop_reason error_code',
    'page_age retrieved_at signature thought_signature encrypted_content encrypted_index extra_content',
    'url uri image_url video_url audio_url document_url file_url data file_data b64_json',
  ].flatMap((names) => names.split(' ')),
);
const describing = new Set(['description', 'title']);
const roles: Readonly<Record<string, TextRole>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool',
  function: 'tool',
};

/**
 * All texts of a request, in the order of its layout and within a member in that of its text. Null where the body is no
 * object, and so cannot be read.
 */
export function readLayout(bytes: Uint8Array, body: unknown, layout: TextLayout): TextSpot[] | null {
  if (!isObject(body)) return null;
  const json = readLatin1(bytes);
  const members = listMembers(json, findOpening(json));
  const spots: TextSpot[] = [];
  for (const { name, rule, role } of layout) {
    const member = members.findLast((one) => one.name === name);
    if (member === undefined) continue;
    const place: TextPlace = { rule, role, part: 'text', message: null };
    collectSpots(json, { start: member.start, value: body[name], place }, spots);
  }
  return spots;
}

/** Adds the texts of an answer's message, or of a part of one, that starts at `start`. */
export function collectAnswerSpots(json: string, from: { start: number; value: unknown }, spots: TextSpot[]): void {
  const place: TextPlace = { rule: 'content', role: 'assistant', part: 'text', message: null };
  collectSpots(json, { ...from, place }, spots);
}

function collectSpots(
  json: string,
  from: { start: number; value: unknown; place: TextPlace },
  spots: TextSpot[],
): void {
  const rules: WalkRules<TextPlace> = {
    enter: enterPlace,
    visit({ role, part, message, rule }, name, { start, end, value }) {
      if (rule === 'messages' || (rule === 'descriptions' && !describing.has(`${name}`))) return;
      // An empty string can match nothing and hide nothing.
      if (end - start === 2) return;
      const text = typeof value === 'string' ? value : decodeString(json, start, end);
      spots.push({ role, part, message, start, end, text });
    },
  };
  walkStrings(json, from, rules);
}

function enterPlace(
  place: TextPlace,
  name: string | number,
  { value, holder }: { value: unknown; holder: unknown },
): TextPlace | null {
  if (place.rule === 'leaves' || place.rule === 'descriptions') return place;
  if (place.rule === 'messages') {
    if (typeof name !== 'number') return null;
    const role = isObject(value) ? roles[readText(value.role) ?? ''] : undefined;
    return { rule: 'content', role: role ?? 'other', part: 'text', message: name };
  }
  if (typeof name === 'number') return isToolResult(value) ? { ...place, role: 'tool' } : place;
  if (name === 'arguments' || name === 'input') return { ...place, rule: 'leaves', part: 'tool_arguments' };
  // A plain text document stands under the name of base64 ones.
  if (name === 'data' && isObject(holder) && holder.type === 'text') return place;
  return withoutText.has(name) ? null : place;
}

function isToolResult(block: unknown): boolean {
  return isObject(block) && typeof block.type === 'string' && block.type.endsWith('tool_result');
}

import type { TextExtra, TextRole, TextSpot } from './dialect.ts';
import { mediaNames, readEncoded } from './encoded-text.ts';
import { isObject, readText } from './json-fields.ts';
import { decodeString, findOpening, findValueEnd, type JsonRange, readLatin1 } from './json-members.ts';
import { type WalkRules, walkStrings } from './json-walk.ts';
import { isDefinedValue } from './known-values.ts';
import { knownNames } from './member-names.ts';
import { holdsStrings, listStrings, TextBudget } from './nested-strings.ts';

/**
 * How the strings of a member are told. `messages`, `choices`: by the role of each element, or as an answer. `content`: as
 * what was said, but for what stands under names such as `name` or `url`. `arguments`: as those of a tool. `other`: as
 * texts of no role. `top`: as those of a top-level member that the layout does not name. `repeats`: not at all.
 */
type TextRule = 'root' | 'top' | 'messages' | 'choices' | 'choice' | 'content' | 'arguments' | 'other' | 'repeats';

/** A place where texts are looked for. */
interface TextPlace {
  rule: TextRule;
  role: TextRole;
  part: TextSpot['part'];
  message: number | null;
  /** Whose parts its texts are: those of one group are also read as one text. Null for none. */
  group: string | null;
  /** Whether providers take a string here for media. */
  isMedia: boolean;
}

/** Top-level members whose strings have a role, and those whose own strings are no text. All others are texts of no role. */
export interface TextLayout {
  members: ReadonlyMap<string, { rule: 'messages' | 'choices' | 'content'; role: TextRole }>;
  withoutText: ReadonlySet<string>;
}

export interface BodyTexts {
  spots: readonly TextSpot[];
  extras: readonly TextExtra[];
  /** Values that were passed over, as they repeat the text. */
  repeats: readonly JsonRange[];
}

/** Members of messages that hold names, addresses or media: texts, but nothing that was said in the message's role. */
const besideContent = new Set([
  ...['role', 'type', 'id', 'name', 'index', 'object', 'status', 'format', 'detail', 'mode', 'hash', 'media_type'],
  ...['mime_type', 'file_type', 'cache_control', 'caller', 'tool_call_id', 'tool_use_id', 'call_id', 'file_id'],
  ...[
    'server_name',
    'tool_name',
    'finish_reason',
    'stop_reason',
    'error_code',
    'page_age',
    'retrieved_at',
    'signature',
  ],
  ...['thought_signature', 'encrypted_content', 'encrypted_index', 'extra_content'],
  ...['url', 'uri', 'image_url', 'video_url', 'audio_url', 'document_url', 'file_url', 'data', 'file_data', 'b64_json'],
]);
const roles: Readonly<Record<string, TextRole>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool',
  function: 'tool',
};
const top: TextPlace = { rule: 'top', role: 'other', part: 'text', message: null, group: null, isMedia: false };
const other: TextPlace = { ...top, rule: 'other' };

/**
 * Every text of a body: its strings in the order of its bytes, but for those known to be none, and the texts that have no
 * place of their own. Null where the body is no object, or holds more than is read (`TextBudget`), which is found out
 * without reading more than that.
 */
export function readBodyTexts(bytes: Uint8Array, body: unknown, layout: TextLayout): BodyTexts | null {
  if (!isObject(body)) return null;
  const json = readLatin1(bytes);
  const collector = new TextCollector(json, layout);
  const isWhole = walkStrings(
    json,
    { start: findOpening(json), value: body, place: { ...top, rule: 'root' } },
    collector,
  );
  return isWhole ? collector.finish() : null;
}

class TextCollector implements WalkRules<TextPlace> {
  readonly #json: string;
  readonly #layout: TextLayout;
  readonly #budget = new TextBudget();
  readonly #spots: TextSpot[] = [];
  readonly #names = new Set<string>();
  readonly #groups = new Map<string, number[]>();
  readonly #encoded: TextExtra[] = [];
  readonly #repeats: JsonRange[] = [];

  constructor(json: string, layout: TextLayout) {
    this.#json = json;
    this.#layout = layout;
  }

  get isOver(): boolean {
    return this.#budget.isSpent;
  }

  enter(
    place: TextPlace,
    name: string | number,
    at: { value: unknown; holder: unknown; start: number },
  ): TextPlace | null {
    this.#budget.values++;
    if (typeof name === 'string' && !knownNames.has(name)) this.#addName(name);
    const next = place.rule === 'root' ? this.#enterTop(`${name}`) : enterPlace(place, name, at);
    if (next.rule !== 'repeats') return next;
    this.#repeats.push({ start: at.start, end: findValueEnd(this.#json, at.start) });
    return null;
  }

  visit(place: TextPlace, name: string | number, at: JsonRange & { holder: unknown }): void {
    const { start, end, holder } = at;
    // An empty string can match nothing and hide nothing.
    if (end - start === 2) return;
    if (place.rule === 'top' && this.#layout.withoutText.has(`${name}`)) return;
    this.#budget.strings++;
    const text = decodeString(this.#json, start, end);
    const { rule, role, part, message, group, isMedia } = place;
    if (rule !== 'arguments' && isDefinedValue(name, text, holder)) return;
    const { isText, decoded } = readEncoded(text, isMedia, holder);
    const index = this.#spots.length;
    if (decoded !== null) this.#encoded.push({ text: decoded, of: isText ? [index] : [] });
    if (!isText) return;
    const isSaid = rule === 'content' || rule === 'arguments';
    this.#spots.push({ role: isSaid ? role : 'other', part, message, start, end, text });
    if (rule === 'content' && group !== null) this.#addPart(group, index);
  }

  /** Null where what stands within strings is too much. */
  finish(): BodyTexts | null {
    const extras: TextExtra[] = [];
    const add = (text: string, of: readonly number[]) => {
      if (text !== '') extras.push({ text, of });
    };
    add([...this.#names].join('\n'), []);
    for (const [index, { part, text }] of this.#spots.entries()) {
      const isNested = holdsStrings(text) || (part === 'tool_arguments' && text.includes('\\'));
      if (!isNested) continue;
      const strings = listStrings(text, this.#budget).map((one) => one.text);
      add(strings.join('\n'), [index]);
    }
    if (this.#budget.isSpent) return null;
    for (const parts of this.#groups.values()) {
      if (parts.length > 1) add(parts.map((index) => this.#spots[index]?.text ?? '').join(''), parts);
    }
    extras.push(...this.#encoded);
    return { spots: this.#spots, extras, repeats: this.#repeats };
  }

  #enterTop(name: string): TextPlace {
    const own = this.#layout.members.get(name);
    // A string at the top itself still needs to be told from one below it.
    if (own === undefined) return mediaNames.has(name) ? { ...top, isMedia: true } : top;
    return { ...other, ...own, group: own.rule === 'content' ? name : null };
  }

  #addName(name: string): void {
    if (this.#names.has(name)) return;
    this.#budget.strings++;
    this.#names.add(name);
  }

  #addPart(group: string, index: number): void {
    const parts = this.#groups.get(group);
    if (parts === undefined) this.#groups.set(group, [index]);
    else parts.push(index);
  }
}

function enterPlace(
  place: TextPlace,
  name: string | number,
  { value, holder }: { value: unknown; holder: unknown },
): TextPlace {
  switch (place.rule) {
    case 'messages':
      return typeof name === 'number' ? enterMessage(value, name) : other;
    case 'choices':
      return typeof name === 'number' ? { ...other, rule: 'choice', group: `choice ${name}` } : other;
    case 'choice':
      if (name === 'logprobs' && isObject(value)) return { ...place, rule: 'repeats' };
      if (name === 'message' || name === 'delta' || name === 'text')
        return { ...place, rule: 'content', role: 'assistant' };
      return { ...place, rule: 'other' };
    case 'content':
      return enterContent(place, name, { value, holder });
    case 'arguments':
      return place;
    default:
      return enterOther(place, name);
  }
}

function enterMessage(value: unknown, index: number): TextPlace {
  const role = isObject(value) ? roles[readText(value.role) ?? ''] : undefined;
  return { ...other, rule: 'content', role: role ?? 'other', message: index, group: `message ${index}` };
}

function enterContent(
  place: TextPlace,
  name: string | number,
  { value, holder }: { value: unknown; holder: unknown },
): TextPlace {
  if (typeof name === 'number') return isToolResult(value) ? { ...place, role: 'tool' } : place;
  if (name === 'arguments' || name === 'input') return { ...place, rule: 'arguments', part: 'tool_arguments' };
  // A plain text document stands under the name of base64 ones.
  if (name === 'data' && isObject(holder) && holder.type === 'text') return place;
  const isMedia = mediaNames.has(name);
  if (besideContent.has(name)) return { ...place, rule: 'other', isMedia };
  return isMedia === place.isMedia ? place : { ...place, isMedia };
}

/** Names tell media; the elements of a list stand under its name. */
function enterOther(place: TextPlace, name: string | number): TextPlace {
  if (typeof name === 'number') return place;
  const isMedia = mediaNames.has(name);
  return isMedia === place.isMedia && place.rule !== 'top' ? place : { ...place, rule: 'other', isMedia };
}

function isToolResult(block: unknown): boolean {
  return isObject(block) && typeof block.type === 'string' && block.type.endsWith('tool_result');
}

import { answerSlot, findStringEnd, idsSlot, skipSpace, type TextSlots } from './delta-text.ts';
import type { StreamReader, StreamText } from './dialect.ts';
import { readEncoded } from './encoded-text.ts';
import { decodeString } from './json-members.ts';
import { isDefinedValue } from './known-values.ts';
import { UnicodeEscapes } from './unicode-escapes.ts';

/** Most characters that an event adds of which not all can be read. */
const maxBrokenText = 64 * 1024;
/** Most calls of tools whose names are kept of one answer. */
const maxCalls = 1024;
/** Longest name of a tool, in characters; providers take 64 or 128. */
const maxName = 256;
/** Most texts of an answer that are told apart, and most values of which is known that they were told. */
const maxChannels = 1024;
/** Longest name of a text, and longest value of which is known that it was told, in characters. */
const maxKept = 256;

/**
 * Members that come whole: a line each, of which none tears another apart. All others come in pieces, as far as anyone knows.
 */
const wholeNames = new Set([
  'id',
  'call_id',
  'type',
  'role',
  'title',
  'url',
  'source',
  'cited_text',
  'document_title',
  'file_id',
  'stop_sequence',
]);

/** An event as it came; `from` is the offset in the stream at which it begins. */
export interface NamedEvent {
  name: string;
  data: string;
  from: number;
}

/** The text of a stream as `StreamReader.takeText` tells it, put together from what its dialect finds in each event. */
export class KeptText {
  /** Names of the tools called so far. Replaced, never changed: each text keeps those of its event. */
  tools: readonly string[] = [];
  incomplete = false;
  readonly #slots: TextSlots;
  #entries: StreamText[] = [];
  #event = '';
  #channel = '';
  #begun = false;
  /** Texts that have begun, and values that were told. */
  readonly #channels = new Set<string>();
  readonly #values = new Map<string, string>();
  readonly #escapes = new UnicodeEscapes();

  constructor(slots: TextSlots) {
    this.#slots = slots;
  }

  /**
   * Adds a piece of a text of the open event. A line feed stands between two texts; one that goes on after another has begun is
   * torn apart, so that it cannot be read here.
   */
  add(channel: string, text: string): void {
    if (text === '') return;
    if (channel !== this.#channel) this.#enter(channel);
    this.#begun = true;
    this.#event += text;
  }

  /** As `add`, of arguments: their escapes are read. */
  addArguments(channel: string, text: string): void {
    if (text === '') return;
    if (channel !== this.#channel) this.#enter(channel);
    this.#begun = true;
    this.#event += this.#escapes.read(text);
  }

  /** Adds a string that stands beside the texts, unless it is known to be none or was told in this place before. */
  addValue(place: string, name: string | number, found: { text: string; holder: unknown; isMedia: boolean }): boolean {
    const { text, holder, isMedia } = found;
    if (text === '' || isDefinedValue(name, text, holder)) return false;
    const { isText, decoded } = readEncoded(text, isMedia, holder);
    if (decoded !== null) this.#addLine(decoded);
    if (!isText) return decoded !== null;
    const channel = `${place}/${name}`;
    if (this.#values.get(channel) === text) return false;
    if (channel.length > maxKept) this.incomplete = true;
    else if (this.#values.size < maxChannels || this.#values.has(channel))
      this.#values.set(channel, text.length <= maxKept ? text : '');
    if (channel.length > maxKept || wholeNames.has(`${name}`)) this.#addLine(text);
    else this.add(channel, text);
    return true;
  }

  /** Adds data that is in no format, as far as it is read. */
  addUnread(data: string, from: number): void {
    this.incomplete = true;
    this.#addLine(Buffer.from(data.slice(0, maxBrokenText), 'latin1').toString('utf8'));
    this.endEvent(from);
  }

  #addLine(text: string): void {
    if (this.#begun) this.#event += `${this.#escapes.flush()}\n`;
    this.#begun = true;
    this.#channel = '';
    this.#event += text;
  }

  #enter(channel: string): void {
    if (this.#begun) this.#event += `${this.#escapes.flush()}\n`;
    this.#channel = channel;
    if (this.#channels.has(channel) || this.#channels.size >= maxChannels) this.incomplete = true;
    else this.#channels.add(channel);
  }

  /** Ends an event that began at `from` in the stream. */
  endEvent(from: number): void {
    if (this.#event !== '') {
      const { incomplete } = this;
      this.#entries.push({ from, text: this.#event, tools: this.tools, incomplete });
    }
    this.#event = '';
  }

  /** Takes note of a call of a tool; returns its index in `tools`, or -1 where there are too many. */
  addCall(name: string): number {
    if (this.tools.length < maxCalls) {
      this.tools = [...this.tools, name.slice(0, maxName)];
      return this.tools.length - 1;
    }
    this.incomplete = true;
    return -1;
  }

  /** Adds another piece to the name of a call. */
  lengthenCall(index: number, piece: string): void {
    this.tools = this.tools.map((name, at) => (at === index ? (name + piece).slice(0, maxName) : name));
  }

  /** Adds what can be read of an event that is too long or no JSON, and of which `json` is how it began. */
  addBroken(json: string, from: number): void {
    this.incomplete = true;
    let left = maxBrokenText;
    let at = 0;
    while (left > 0) {
      const member = findText(json, at);
      if (member === null) break;
      at = member.end;
      const slot = this.#slots.get(member.name);
      if (slot === undefined || slot >= idsSlot) continue;
      const text = decodeBroken(json, member).slice(0, left);
      left -= text.length;
      this.add(slot === answerSlot ? member.name : 'reasoning', text);
    }
    this.endEvent(from);
  }

  /** What came since the last call. */
  take(): readonly StreamText[] {
    const entries = this.#entries;
    if (entries.length > 0) this.#entries = [];
    return entries;
  }
}

/** The part of a reader that tells its text; null where it keeps none. */
export function tellText(kept: KeptText | null): Pick<StreamReader, 'takeText' | 'toolsCalled' | 'textIncomplete'> {
  return {
    takeText: () => kept?.take() ?? [],
    toolsCalled: () => kept?.tools ?? [],
    textIncomplete: () => kept?.incomplete ?? true,
  };
}

/** The next string member from `at` on; it may break off, and then `end` is that of the text. */
function findText(json: string, at: number): { name: string; start: number; end: number; broken: boolean } | null {
  let open = json.indexOf('"', at);
  while (open >= 0) {
    const close = findStringEnd(json, open + 1);
    if (close < 0) return null;
    const colon = skipSpace(json, close + 1);
    const start = skipSpace(json, colon + 1);
    if (json.charCodeAt(colon) === 0x3a && json.charCodeAt(start) === 0x22) {
      const end = findStringEnd(json, start + 1);
      const name = json.slice(open + 1, close);
      return { name, start, end: end < 0 ? json.length : end + 1, broken: end < 0 };
    }
    open = json.indexOf('"', close + 1);
  }
  return null;
}

/** A string that may break off, within an escape or a character, as far as it can be read. */
function decodeBroken(json: string, at: { start: number; end: number; broken: boolean }): string {
  if (!at.broken) return decodeString(json, at.start, at.end);
  const raw = json.slice(at.start + 1, at.end).replace(/[\xc0-\xff][\x80-\xbf]{0,2}$/, '');
  const last = raw.lastIndexOf('\\');
  let first = last;
  while (raw.charAt(first - 1) === '\\') first--;
  const isEscape = last >= 0 && (last - first) % 2 === 0;
  const isOpen = isEscape && raw.length - last < (raw.charAt(last + 1) === 'u' ? 6 : 2);
  const whole = isOpen ? raw.slice(0, last) : raw;
  return decodeString(`"${whole}"`, 0, whole.length + 2);
}

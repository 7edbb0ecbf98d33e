import { RepeatedTexts } from './repeated-text.ts';

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;

/**
 * Names of the string members that count, and the index in `totals` that each counts into: `answerSlot`, up to three
 * under which reasoning may stand, then ids and names of tools, which are no text but were produced too.
 */
export type TextSlots = ReadonlyMap<string, number>;
export const answerSlot = 0;
export const idsSlot = 4;
export const namesSlot = 5;

/** What a model writes around the name of a tool that it calls: 21 to 50 tokens more than is shown, seen of Claude. */
const tokensPerCall = 64;

/** What a model writes around each answer: turns and channels, 1 to 5 tokens more than is shown, seen of several. */
export const tokensPerAnswer = 16;

/** Tokens that a member's text cannot exceed, where its UTF-8 bytes are given. */
export function boundText(slot: number, bytes: number): number {
  return slot === namesSlot ? bytes + tokensPerCall : bytes;
}

/** Frame of the last event: what stood before and after its only counted text. */
interface Frame {
  before: string;
  after: string;
  /** Whether the frame ends within a last string member (padding such as `obfuscation`), whose value may vary. */
  paddedEnd: boolean;
  slot: number;
}

/**
 * Adds up the lengths of text members of streamed events without parsing them: the hot path of every streamed run.
 *
 * Events hold one character per UTF-8 byte (latin1). `totals` are UTF-16 units of the decoded text, as `.length` of the
 * parsed string would tell. `boundTokens` are their UTF-8 bytes, names too, where a text that one event repeats under
 * another name (providers send reasoning so) counts once, an escaped character outside ASCII counts as its longest, and a
 * call has an allowance. Consecutive events of a stream differ in their text alone, so that the frame around it is
 * remembered: an event in the same frame costs two comparisons (about a seventh of JSON.parse), all others a scan.
 */
export class TextCounter {
  readonly totals: number[];
  boundTokens = 0;
  readonly #slots: TextSlots;
  readonly #wholeFrame: boolean;
  #frame: Frame | null = null;
  #counted = 0;
  #slot = 0;
  #start = 0;
  #end = 0;
  readonly #repeated = new RepeatedTexts();

  /** `wholeFrame`: what follows the text matters too; false where nothing after it can be of interest. */
  constructor(slots: TextSlots, options: { wholeFrame: boolean }) {
    this.#slots = slots;
    this.#wholeFrame = options.wholeFrame;
    this.totals = new Array<number>(Math.max(...slots.values()) + 1).fill(0);
  }

  /** Counts an event that stands in the remembered frame; false, having counted nothing, for any other. */
  addFramed(json: string): boolean {
    const frame = this.#frame;
    if (frame === null) return false;
    const start = frame.before.length;
    if (json.slice(0, start) !== frame.before) return false;
    const end = findStringEnd(json, start);
    if (end < 0 || (this.#wholeFrame && !endsLike(json, end, frame))) return false;
    this.#slot = frame.slot;
    this.#start = start;
    this.#end = end;
    this.#add(frame.slot, countUnits(json, start, end));
    this.boundTokens += boundText(frame.slot, countBytes(json.slice(start, end)));
    return true;
  }

  /**
   * Counts all text members of an event from offset `from` on, at any depth. Broken JSON ends the count of units early;
   * of a text that breaks off the bytes that are there count.
   */
  addScanned(json: string, from: number): void {
    this.#counted = 0;
    this.#repeated.clear();
    let at = from;
    for (;;) {
      const open = json.indexOf('"', at) + 1;
      if (open === 0) return;
      const close = findStringEnd(json, open);
      if (close < 0) return;
      at = skipSpace(json, close + 1);
      if (json.charCodeAt(at) !== colon) continue;
      at = skipSpace(json, at + 1);
      if (json.charCodeAt(at) !== quote) continue;
      const end = findStringEnd(json, at + 1);
      const name = json.slice(open, close);
      if (end < 0) {
        const slot = this.#slots.get(name);
        if (slot !== undefined) this.boundTokens += boundText(slot, json.length - at - 1);
        return;
      }
      this.#countMember(json, { name, start: at + 1, end });
      at = end + 1;
    }
  }

  /** Where the text of the event last counted stands: of the only one, or the last of several. */
  get lastText(): { slot: number; start: number; end: number } {
    return { slot: this.#slot, start: this.#start, end: this.#end };
  }

  /** Remembers the frame of the event just scanned, if it held one text and nothing else that its dialect reads. */
  rememberFrame(json: string): boolean {
    if (this.#counted !== 1) return false;
    const last = json.endsWith('"}') ? json.lastIndexOf('"', json.length - 3) + 1 : 0;
    const paddedEnd = last > this.#end + 1;
    const after = json.slice(this.#end, paddedEnd ? last : json.length);
    this.#frame = { before: json.slice(0, this.#start), after, paddedEnd, slot: this.#slot };
    return true;
  }

  #countMember(json: string, member: { name: string; start: number; end: number }): void {
    const slot = this.#slots.get(member.name);
    if (slot === undefined) return;
    this.#counted++;
    this.#slot = slot;
    this.#start = member.start;
    this.#end = member.end;
    this.#add(slot, countUnits(json, member.start, member.end));
    const text = json.slice(member.start, member.end);
    const isNew = slot === answerSlot || slot >= idsSlot || this.#repeated.isNew(slot, text);
    if (isNew) this.boundTokens += boundText(slot, countBytes(text));
  }

  #add(slot: number, units: number): void {
    this.totals[slot] = (this.totals[slot] ?? 0) + units;
  }
}

// Comparing a slice is ten times as fast here as startsWith with an offset.
function endsLike(json: string, at: number, frame: Frame): boolean {
  const next = at + frame.after.length;
  if (json.slice(at, next) !== frame.after) return false;
  return frame.paddedEnd ? findStringEnd(json, next) === json.length - 2 : json.length === next;
}

/**
 * Whether a JSON text has a member `name` with any value but null. `quotedName` is the name with its quotes. Inside a
 * JSON string every quote is escaped, so that text can never look like a member.
 */
export function hasMember(json: string, quotedName: string): boolean {
  let at = json.indexOf(quotedName);
  while (at >= 0) {
    const next = skipSpace(json, at + quotedName.length);
    if (json.charCodeAt(next) === colon && !json.startsWith('null', skipSpace(json, next + 1))) return true;
    at = json.indexOf(quotedName, next);
  }
  return false;
}

/** Offset of the quote that ends the string whose text starts at `start`, or -1. */
export function findStringEnd(json: string, start: number): number {
  let at = json.indexOf('"', start);
  while (at >= 0) {
    let before = at - 1;
    while (before >= start && json.charCodeAt(before) === backslash) before--;
    if ((at - before) % 2 === 1) return at;
    at = json.indexOf('"', at + 1);
  }
  return -1;
}

/** First offset from `at` on that holds no JSON white space. */
export function skipSpace(json: string, at: number): number {
  let next = at;
  for (;;) {
    const unit = json.charCodeAt(next);
    if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return next;
    next++;
  }
}

/** UTF-8 bytes of a text as it stands in JSON; more where it is escaped: three for any unit outside ASCII. */
function countBytes(text: string): number {
  let bytes = text.length;
  let at = text.indexOf('\\');
  while (at >= 0) {
    const isUnit = text.charCodeAt(at + 1) === 0x75;
    const isAscii = isUnit && text.startsWith('00', at + 2) && text.charCodeAt(at + 4) < 0x38;
    bytes -= isUnit ? (isAscii ? 5 : 3) : 1;
    at = text.indexOf('\\', at + (isUnit ? 6 : 2));
  }
  return bytes;
}

function countUnits(json: string, start: number, end: number): number {
  let units = 0;
  let at = start;
  while (at < end) {
    const byte = json.charCodeAt(at);
    if (byte === backslash) {
      at += json.charCodeAt(at + 1) === 0x75 ? 6 : 2;
      units++;
      continue;
    }
    // UTF-8: continuation bytes add nothing, a lead byte of a four-byte character stands for a surrogate pair.
    if (byte < 0x80 || (byte >= 0xc0 && byte < 0xf0)) units++;
    else if (byte >= 0xf0) units += 2;
    at++;
  }
  return units;
}

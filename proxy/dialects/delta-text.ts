const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;

/** Names of the string members that count, and the index in `totals` that each counts into. */
export type TextSlots = ReadonlyMap<string, number>;

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
 * Events hold one character per UTF-8 byte (latin1). Lengths are UTF-16 units of the decoded text, as `.length` of the
 * parsed string would tell. Consecutive events of a stream differ in their text alone, so that the frame around it is
 * remembered: an event in the same frame costs two comparisons (about a seventh of JSON.parse), all others a scan.
 */
export class TextCounter {
  readonly totals: number[];
  readonly #slots: TextSlots;
  readonly #wholeFrame: boolean;
  #frame: Frame | null = null;
  #counted = 0;
  #slot = 0;
  #start = 0;
  #end = 0;

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
    this.#add(frame.slot, countUnits(json, start, end));
    return true;
  }

  /** Counts all text members of an event from offset `from` on, at any depth. Broken JSON ends the count early. */
  addScanned(json: string, from: number): void {
    this.#counted = 0;
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
      if (end < 0) return;
      this.#countMember(json, { name: json.slice(open, close), start: at + 1, end });
      at = end + 1;
    }
  }

  /** Remembers the frame of the event just scanned, if it held one text and nothing else that its dialect reads. */
  rememberFrame(json: string): void {
    if (this.#counted !== 1) return;
    const last = json.endsWith('"}') ? json.lastIndexOf('"', json.length - 3) + 1 : 0;
    const paddedEnd = last > this.#end + 1;
    const after = json.slice(this.#end, paddedEnd ? last : json.length);
    this.#frame = { before: json.slice(0, this.#start), after, paddedEnd, slot: this.#slot };
  }

  #countMember(json: string, member: { name: string; start: number; end: number }): void {
    const slot = this.#slots.get(member.name);
    if (slot === undefined) return;
    this.#counted++;
    this.#slot = slot;
    this.#start = member.start;
    this.#end = member.end;
    this.#add(slot, countUnits(json, member.start, member.end));
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

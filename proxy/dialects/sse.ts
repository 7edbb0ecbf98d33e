import { viewBytes } from './json-fields.ts';
import { fieldValue, isOtherField, type SseHandler } from './sse-fields.ts';

/** Largest event that is read, in bytes. Longer ones pass by unread: they hold media, never usage. */
export const maxEventBytes = 1024 * 1024;

/** Length of an open event, in bytes, from which its bytes count as output before it is complete. */
const longEventBytes = 16 * 1024;

/** Longest line that can name a terminal event. */
const maxTerminalLine = 512;

/** What is kept of a longer event where heads are: 64 Ki characters, each at its longest (`\\ud83d`), and their frame. */
const headBytes = 512 * 1024;

/** More than stands in a line before its data: a byte order mark, `data`, a colon and a space. */
const longestPrefix = 16;
const byteOrderMark = '\u00ef\u00bb\u00bf';
const never = Number.MAX_SAFE_INTEGER;

/**
 * Splits a byte stream into server-sent events (WHATWG HTML, 9.2.6): LF, CR and CRLF, a byte order mark, comments,
 * `data:` with and without a space, data on several lines, any chunking. Works on latin1 text, so that a character split
 * over chunks needs no care. Holds at most one event of `maxEventBytes`.
 */
export class SseScanner {
  readonly #handler: SseHandler;
  #carry = '';
  #lineOverflow = false;
  #skipLineFeed = false;
  #firstLine = true;
  /** Whether the terminal event's line was seen, and whether all of that event was. */
  #ended = false;
  #complete = false;
  #isContinued = false;
  #name = '';
  #data: string | null = null;
  #dataBytes = 0;
  #eventOverflow = false;
  /** Offset in the current chunk of the first line of the open event, or -1 between events. */
  #eventStart = -1;
  #boundary = 0;
  /** Offsets in the stream: of the current chunk, of the unfinished line, and of the open event's first line (-1: none). */
  #chunkFrom = 0;
  #lineFrom = 0;
  #eventFrom = -1;
  #chunkBytes = 0;
  readonly #keepsHeads: boolean;
  #head = '';

  constructor(handler: SseHandler, options: { keepHeads: boolean } = { keepHeads: false }) {
    this.#handler = handler;
    this.#keepsHeads = options.keepHeads;
  }

  /** Whether the line that names the terminal event was seen. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether the whole terminal event was seen. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Whether more than blank lines and comments stands behind the terminal event. */
  get isContinued(): boolean {
    return this.#isContinued;
  }

  /** The answer of `StreamReader.lastBoundary`: a comment that is complete stands between events too. */
  get lastBoundary(): number {
    return this.#boundary;
  }

  /** Bytes of the open event so far where they are more than `longEventBytes`, else 0. */
  get longOpenBytes(): number {
    const bytes = this.#dataBytes + this.#carry.length;
    return bytes > longEventBytes ? bytes : 0;
  }

  /** Reads a chunk; the answer is that of `StreamReader.push`. */
  push(chunk: Uint8Array): number {
    this.#boundary = this.#isBetween() ? 0 : -1;
    const held = this.#read(chunk);
    // Bytes behind the terminal line wait with it.
    return this.#ended && held < 0 ? 0 : held;
  }

  #read(chunk: Uint8Array): number {
    this.#chunkFrom += this.#chunkBytes;
    this.#chunkBytes = chunk.length;
    const text = viewBytes(chunk).toString('latin1');
    if (this.#eventStart > 0) this.#eventStart = 0;
    let at = 0;
    if (this.#skipLineFeed && text.length > 0) {
      if (text.charCodeAt(0) === 0x0a) at = 1;
      this.#skipLineFeed = false;
      if (this.#boundary === 0) this.#boundary = at;
    }
    let lineFeed = findFrom(text, '\n', at);
    let carriage = findFrom(text, '\r', at);
    let held = -1;
    while (lineFeed !== never || carriage !== never) {
      const lineEnd = Math.min(lineFeed, carriage);
      const ends = this.#takeLine(text.slice(at, lineEnd), at);
      if (ends >= 0) held = ends;
      at = lineEnd + 1;
      if (carriage === lineEnd) {
        if (at === text.length) this.#skipLineFeed = true;
        else if (text.charCodeAt(at) === 0x0a) at++;
        carriage = findFrom(text, '\r', at);
      }
      if (lineFeed < at) lineFeed = findFrom(text, '\n', at);
      if (this.#isBetween()) this.#boundary = at;
    }
    const rest = this.#keepRest(text.slice(at), at);
    return held >= 0 ? held : rest;
  }

  /** Reads what is left: a last line without its end, and an event without its blank line. */
  end(): void {
    if (this.#carry !== '' || this.#lineOverflow) this.#takeLine('', 0);
    this.#dispatch();
  }

  #isBetween(): boolean {
    const open = this.#eventStart >= 0 || this.#eventOverflow || this.#lineOverflow;
    return !open && this.#carry === '' && !this.#ended;
  }

  /** Ends the line of which `piece` is the last part; returns the terminal event's offset or -1. */
  #takeLine(piece: string, at: number): number {
    let line = piece;
    let start = at;
    if (this.#carry !== '' || this.#lineOverflow) {
      line = this.#carry + piece;
      start = 0;
      this.#carry = '';
    } else this.#lineFrom = this.#chunkFrom + at;
    if (this.#firstLine) {
      this.#firstLine = false;
      if (line.startsWith(byteOrderMark)) line = line.slice(byteOrderMark.length);
    }
    if (this.#lineOverflow) {
      this.#lineOverflow = false;
      this.#dataBytes += piece.length;
      return -1;
    }
    if (line === '') {
      this.#dispatch();
      return -1;
    }
    if (!this.#ended && line.length <= maxTerminalLine && this.#handler.endsStream(line)) {
      const from = this.#endStream(start);
      this.#readField(line, start);
      return from;
    }
    this.#readField(line, start);
    return -1;
  }

  #readField(line: string, start: number): void {
    const first = line.charCodeAt(0);
    if (first === 0x3a) return;
    if (this.#complete) {
      this.#isContinued = true;
      return;
    }
    if (this.#eventStart < 0) this.#eventStart = start;
    if (this.#eventFrom < 0) this.#eventFrom = this.#lineFrom;
    const data = first === 0x64 && line.startsWith('data') ? fieldValue(line, 4) : null;
    const name = first === 0x65 && line.startsWith('event') ? fieldValue(line, 5) : null;
    if (data !== null) this.#addData(data);
    else if (name !== null) this.#name = name;
    else if (!isOtherField(line)) this.#handler.unclear();
  }

  #addData(value: string): void {
    this.#dataBytes += value.length;
    if (this.#dataBytes > maxEventBytes) this.#dropData(value);
    else if (!this.#eventOverflow) {
      this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
    }
  }

  /** Gives up the data of an event that is too long with `value`. */
  #dropData(value: string): void {
    if (this.#keepsHeads && !this.#eventOverflow) {
      const head = this.#data === null ? value : `${this.#data}\n${value}`;
      this.#head = head.slice(0, headBytes);
    }
    if (!this.#eventOverflow && !this.#complete) this.#handler.unclear();
    this.#isContinued ||= this.#complete;
    this.#eventOverflow = true;
    this.#data = null;
  }

  #keepRest(rest: string, at: number): number {
    if (rest === '') return -1;
    if (this.#lineOverflow) {
      this.#dataBytes += rest.length;
      return -1;
    }
    const start = this.#carry === '' ? at : 0;
    if (this.#carry === '') this.#lineFrom = this.#chunkFrom + at;
    this.#carry += rest;
    if (this.#carry.length > maxEventBytes + longestPrefix) this.#dropLine();
    else if (!this.#ended && this.#carry.length <= maxTerminalLine && this.#handler.endsStream(this.#unmarked())) {
      // Only its end tells whether the line goes on; until then it waits.
      const from = this.#terminalStart(start);
      if (this.#eventStart < 0) this.#eventStart = start;
      return from;
    } else if (this.#eventStart < 0 && this.#beginsField()) this.#eventStart = start;
    return -1;
  }

  /** The unfinished line without a byte order mark. */
  #unmarked(): string {
    const isMarked = this.#firstLine && this.#carry.startsWith(byteOrderMark);
    return isMarked ? this.#carry.slice(byteOrderMark.length) : this.#carry;
  }

  /** Whether the unfinished line is a field, as far as it goes: no comment, and not only a byte order mark. */
  #beginsField(): boolean {
    const isMarked = this.#firstLine && byteOrderMark.startsWith(this.#carry.slice(0, byteOrderMark.length));
    const first = this.#carry.charCodeAt(isMarked ? byteOrderMark.length : 0);
    return !Number.isNaN(first) && first !== 0x3a;
  }

  #dropLine(): void {
    this.#dataBytes += this.#carry.length;
    if (this.#eventFrom < 0) this.#eventFrom = this.#lineFrom;
    const line = this.#unmarked();
    this.#dropData(line.startsWith('data') ? (fieldValue(line, 4) ?? '') : '');
    this.#carry = '';
    this.#lineOverflow = true;
  }

  /** Where the terminal event begins: with its line, or with lines before it that bring no data. */
  #terminalStart(lineStart: number): number {
    // Data before the terminal line belongs to an event that was sent without its blank line.
    const own = this.#data === null && !this.#eventOverflow && this.#eventStart >= 0;
    return own ? this.#eventStart : lineStart;
  }

  #endStream(lineStart: number): number {
    const start = this.#terminalStart(lineStart);
    if (this.#data !== null || this.#eventOverflow) this.#dispatch();
    this.#ended = true;
    return start;
  }

  #dispatch(): void {
    if (this.#eventOverflow && !this.#complete) this.#handler.passedOver(this.#dataBytes, this.#head, this.#eventFrom);
    else if (this.#ended && !this.#complete && this.#eventFrom >= 0)
      this.#handler.ended(this.#name, this.#data ?? '', this.#eventFrom);
    else if (this.#data !== null && !this.#complete) this.#handler.event(this.#name, this.#data, this.#eventFrom);
    this.#complete ||= this.#ended;
    this.#name = '';
    this.#head = '';
    this.#data = null;
    this.#dataBytes = 0;
    this.#eventOverflow = false;
    this.#eventStart = -1;
    this.#eventFrom = -1;
  }
}

function findFrom(text: string, mark: string, at: number): number {
  const found = text.indexOf(mark, at);
  return found < 0 ? never : found;
}

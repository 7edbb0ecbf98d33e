import type { UsageFilter } from '../dialects/dialect.ts';
import type { CallerAnswer } from './call.ts';
import type { Valve } from './inflow.ts';
import type { DecodedPlace } from './observe.ts';

/** Longest event that is kept back until it is complete; the meter counts the bytes of longer ones as they come. */
const maxOpenBytes = 64 * 1024;
/** The same where policies read the text: longer than what a reader takes an event for that it can read. */
const maxReadBytes = 2 * 1024 * 1024;

/** Most bytes that pass behind the terminal event, which no record counts. */
const maxLateBytes = 16 * 1024;

/** One piece of a streamed answer, and what the reader says of it. */
export interface StreamPiece {
  bytes: Buffer;
  /** Offset from which it must wait for `finish`; its length for none. */
  heldFrom: number;
  /** As `Observation.lastBoundary`. */
  boundary: number | null;
  /** As `Observation.decoded`, where policies read a stream that comes compressed; else null. */
  decoded: DecodedPlace | null;
}

/**
 * The caller's end of an answer: lets bytes through as they come, keeps the last ones until `finish` stands in the spool,
 * and can end a stream that governance cuts.
 *
 * A stream that may be cut leaves event by event, so that a cut always falls between two: a client never meets half an
 * event. No byte changes but those that a usage filter takes out.
 */
export class Outlet {
  readonly #caller: CallerAnswer;
  readonly #valve: Valve;
  #filter: UsageFilter | null = null;
  #cuttable = false;
  #holdsAll = false;
  #maxOpenBytes = maxOpenBytes;
  #isRead = false;
  /** What waits for `finish`. */
  #held: Buffer[] = [];
  #terminal = false;
  /** An event that is not complete yet. */
  #open: Buffer[] = [];
  #openBytes = 0;
  #insideEvent = false;
  /** Compressed pieces that bring a part of an event that is not complete yet, with the decoded length up to their ends. */
  #packed: { bytes: Buffer; total: number }[] = [];
  #draining = false;
  #over = false;
  #lateBytes = 0;

  constructor(caller: CallerAnswer, valve: Valve) {
    this.#caller = caller;
    this.#valve = valve;
  }

  /**
   * The answer's form is known. `cuttable`: it is a stream of events that may have to be cut; `holdsAll`: nothing of it
   * may leave before it is decided on; `isRead`: policies read its text as it comes.
   */
  begin(form: { filter: UsageFilter | null; cuttable: boolean; holdsAll: boolean; isRead: boolean }): void {
    this.#filter = form.filter;
    this.#cuttable = form.cuttable;
    this.#holdsAll = form.holdsAll;
    this.#isRead = form.isRead;
    this.#maxOpenBytes = form.isRead ? maxReadBytes : maxOpenBytes;
  }

  /** Lets go of a whole answer that was held until it was decided on; its last chunk waits all the same. */
  holdLess(): void {
    if (!this.#holdsAll) return;
    this.#holdsAll = false;
    const last = this.#held.pop();
    for (const chunk of this.#held) this.#write(chunk);
    this.#held = last === undefined ? [] : [last];
  }

  /** Puts another body in the place of a whole answer that is held. */
  replace(body: Uint8Array): void {
    this.#held = [Buffer.from(body.buffer, body.byteOffset, body.byteLength)];
  }

  /** Whether the answer's last bytes are here and wait for `finish`. */
  get terminal(): boolean {
    return this.#terminal;
  }

  /** Whether the caller's answer has got its end, so that what its provider does is of no concern any more. */
  get over(): boolean {
    return this.#over;
  }

  /** Lets a piece of a stream through, up to where it must wait. */
  pass({ bytes, heldFrom, boundary, decoded }: StreamPiece): void {
    const terminal = heldFrom < bytes.length;
    if (this.#holdsAll) {
      this.#held.push(bytes);
      return;
    }
    if (this.#filter !== null) {
      // The filter holds events back by itself; what it releases with the terminal event waits as a whole.
      const kept = this.#filtered(bytes);
      this.#terminal ||= terminal;
      if (this.#terminal) this.#holdLate(kept);
      else if (kept.length > 0) this.#write(kept);
      return;
    }
    if (this.#terminal) {
      this.#holdLate(bytes);
    } else if (terminal) {
      if (heldFrom > 0) this.#flushOpen();
      if (heldFrom > 0) this.#write(bytes.subarray(0, heldFrom));
      this.#held.push(...this.#open, ...this.#takePacked(), bytes.subarray(heldFrom));
      this.#open = [];
      this.#terminal = true;
    } else if (this.#cuttable && boundary !== null) {
      this.#passEvents(bytes, boundary);
    } else if (decoded !== null) {
      this.#passPacked(bytes, decoded);
    } else {
      for (const piece of [...this.#takePacked(), bytes]) this.#write(piece);
    }
  }

  /** The newest chunk of a whole answer waits: only the last one completes it. */
  passWhole(chunk: Buffer): void {
    if (this.#holdsAll) {
      this.#held.push(chunk);
      return;
    }
    const previous = this.#held.pop();
    this.#held.push(chunk);
    if (previous !== undefined) this.#write(previous);
  }

  /**
   * Bytes behind an end that is on record already: a provider that lingers behind its terminal event. False where they are more
   * than the few that any provider has a use for.
   */
  passLate(chunk: Buffer): boolean {
    if (this.#over || this.#caller.destroyed) return true;
    this.#lateBytes += chunk.length;
    if (this.#lateBytes > maxLateBytes) return false;
    this.#write(this.#filtered(chunk));
    return true;
  }

  /** Releases all that waited. `ended`: the answer is complete, and so is the caller's. */
  release(ended: boolean): void {
    if (ended && this.#filter !== null) this.#held.push(Buffer.from(this.#filter.end()));
    const waiting = [...this.#open, ...this.#takePacked(), ...this.#held];
    // What stands behind the terminal event was not looked at by anybody.
    const rest = this.#isRead && this.#cuttable && this.#terminal ? [firstEvent(Buffer.concat(waiting))] : waiting;
    this.#open = [];
    this.#held = [];
    const last = ended ? rest.pop() : undefined;
    this.#over = ended;
    for (const chunk of rest) this.#caller.write(chunk);
    if (ended && last !== undefined) this.#caller.end(last);
    else if (ended) this.#caller.end();
  }

  /** Ends an answer whose last bytes went out before its provider closed it. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#caller.end(this.#filter === null ? undefined : Buffer.from(this.#filter.end()));
  }

  /** Ends a stream in the middle: with the format's own error where it can be told between two events, else by a break. */
  cut(notice: string | null): void {
    this.#over = true;
    if (notice !== null && this.#cuttable && !this.#insideEvent) this.#caller.end(Buffer.from(notice));
    else this.#caller.destroy();
  }

  #holdLate(bytes: Buffer): void {
    if (this.#lateBytes > maxLateBytes) return;
    this.#lateBytes += bytes.length;
    this.#held.push(bytes);
  }

  #passEvents(bytes: Buffer, boundary: number): void {
    if (boundary === bytes.length && this.#openBytes === 0) {
      this.#insideEvent = false;
      this.#write(bytes);
      return;
    }
    if (boundary > 0) {
      this.#flushOpen();
      this.#write(bytes.subarray(0, boundary));
      this.#insideEvent = false;
    }
    const rest = boundary > 0 ? bytes.subarray(boundary) : bytes;
    if (rest.length === 0) return;
    this.#open.push(rest);
    this.#openBytes += rest.length;
    if (this.#openBytes <= this.#maxOpenBytes && !this.#insideEvent) return;
    this.#flushOpen();
    this.#insideEvent = true;
  }

  /** What is compressed leaves piece by piece, each once all events that it brings a part of have been looked at. */
  #passPacked(bytes: Buffer, { total, complete }: DecodedPlace): void {
    this.#packed.push({ bytes, total });
    const limit = total - complete > this.#maxOpenBytes ? total : complete;
    const waiting = this.#packed.findIndex((piece) => piece.total > limit);
    const free = this.#packed.splice(0, waiting < 0 ? this.#packed.length : waiting);
    for (const piece of free) this.#write(piece.bytes);
  }

  #takePacked(): Buffer[] {
    return this.#packed.splice(0).map(({ bytes }) => bytes);
  }

  #flushOpen(): void {
    for (const bytes of this.#open) this.#write(bytes);
    this.#open = [];
    this.#openBytes = 0;
  }

  #filtered(chunk: Buffer): Buffer {
    if (this.#filter === null) return chunk;
    const kept = this.#filter.push(chunk);
    return Buffer.from(kept.buffer, kept.byteOffset, kept.byteLength);
  }

  #write(chunk: Buffer): void {
    if (this.#caller.destroyed || this.#caller.write(chunk) || this.#draining) return;
    this.#draining = true;
    this.#valve.hold();
    this.#caller.once('drain', () => {
      this.#draining = false;
      this.#valve.release();
    });
  }
}

/** The event at the beginning with the blank lines and comments behind it; all of it where the event has no end. */
function firstEvent(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  const end = /\r\n\r\n|\n\n|\r\r/.exec(text);
  if (end === null) return bytes;
  const harmless = /(?:(?::[^\r\n]*)?(?:\r\n|\n|\r))*/y;
  harmless.lastIndex = end.index + end[0].length;
  harmless.test(text);
  return bytes.subarray(0, harmless.lastIndex);
}

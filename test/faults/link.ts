import type { Socket } from 'node:net';
import type { Random } from './random.ts';

/** What goes wrong with the bytes of one direction. Absent: nothing. */
export interface LinkFaults {
  /** Every piece arrives this much later. */
  latencyMs?: number;
  /** Up to this much later still, drawn for each piece; the order is kept. */
  jitterMs?: number;
  bytesPerSecond?: number;
  /** Ends the connection in order (FIN) once that many bytes of it have passed this way. */
  cutAfterBytes?: number;
  /** Breaks the connection (RST) once that many bytes of it have passed this way. */
  resetAfterBytes?: number;
  /** Nothing arrives; what was sent arrives when it is over, as through a network that was parted for a while. */
  blackHole?: boolean;
  /** Bytes are taken and never arrive, also later. */
  swallow?: boolean;
}

export type Cut = 'fin' | 'reset';

/** Most bytes that wait in one direction before its sender is made to wait too. */
const maxQueuedBytes = 1024 * 1024;
/** How often a narrow link hands on its share. */
const sliceMs = 20;

/** One direction of one connection: takes bytes from `from` and hands them to `to` under the faults of the moment. */
export class Link {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #faults: () => LinkFaults;
  readonly #random: Random;
  readonly #onCut: (how: Cut) => void;
  readonly #queue: { bytes: Buffer; dueMs: number }[] = [];
  #queued = 0;
  #passed = 0;
  #ended = false;
  #lastDueMs = 0;
  #openAtMs = 0;
  #timer: NodeJS.Timeout | null = null;
  /** Whether bytes of it were swallowed: what follows would make no sense to the receiver. */
  swallowed = false;

  constructor(input: {
    from: Socket;
    to: Socket;
    faults: () => LinkFaults;
    random: Random;
    onCut: (how: Cut) => void;
  }) {
    this.#from = input.from;
    this.#to = input.to;
    this.#faults = input.faults;
    this.#random = input.random;
    this.#onCut = input.onCut;
    this.#from.on('data', (bytes) => this.#take(bytes));
    this.#from.on('end', () => {
      this.#ended = true;
      this.pump();
    });
    this.#to.on('drain', () => this.pump());
  }

  /** Hands on what is due. Called again whenever the faults change. */
  pump(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    while (!this.#to.destroyed && !this.#faults().blackHole) {
      const head = this.#queue[0];
      if (head === undefined) {
        if (this.#ended && !this.swallowed) this.#to.end();
        break;
      }
      const waitMs = Math.max(head.dueMs, this.#openAtMs) - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.pump(), waitMs);
        break;
      }
      if (!this.#handOn(head)) return;
    }
    if (this.#queued < maxQueuedBytes) this.#from.resume();
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#queue.length = 0;
  }

  #take(bytes: Buffer): void {
    const { latencyMs = 0, jitterMs = 0, swallow } = this.#faults();
    if (swallow) {
      this.swallowed = true;
      return;
    }
    const dueMs = performance.now() + latencyMs + this.#random.next() * jitterMs;
    this.#lastDueMs = Math.max(this.#lastDueMs, dueMs);
    this.#queue.push({ bytes, dueMs: this.#lastDueMs });
    this.#queued += bytes.length;
    if (this.#queued >= maxQueuedBytes) this.#from.pause();
    this.pump();
  }

  /** Hands on a piece, or its share; false where the link waits for its receiver or is gone. */
  #handOn(head: { bytes: Buffer }): boolean {
    const { bytesPerSecond, cutAfterBytes, resetAfterBytes } = this.#faults();
    const share = bytesPerSecond === undefined ? head.bytes.length : Math.ceil((bytesPerSecond * sliceMs) / 1000);
    const room = Math.min(cutAfterBytes ?? Infinity, resetAfterBytes ?? Infinity) - this.#passed;
    const part = head.bytes.subarray(0, Math.max(0, Math.min(share, room)));
    if (bytesPerSecond !== undefined) this.#openAtMs = performance.now() + sliceMs;
    this.#passed += part.length;
    this.#queued -= part.length;
    if (part.length === head.bytes.length) this.#queue.shift();
    else head.bytes = head.bytes.subarray(part.length);
    const free = part.length === 0 || this.#to.write(part);
    if (part.length >= room) {
      this.#onCut(resetAfterBytes !== undefined && this.#passed >= resetAfterBytes ? 'reset' : 'fin');
      return false;
    }
    return free;
  }
}

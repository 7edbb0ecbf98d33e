import type { UpstreamExchange } from './ports.ts';

/** Takes one piece of the answer and calls back, at once or later, when it is through with it. */
export type TakePiece = (piece: Buffer, done: () => void) => void;

/**
 * The answer's pieces on their way in, one after the other: what comes while a piece is decoded or waits for its
 * reservation stands behind it. The order never changes, whatever any piece has to wait for.
 */
export class Inflow {
  readonly #take: TakePiece;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #busy = false;
  #afterwards: (() => void) | null = null;

  constructor(take: TakePiece) {
    this.#take = take;
  }

  /** Bytes that stand behind the piece that is being taken. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Takes a chunk, in pieces of at most `pieceBytes`. */
  push(chunk: Buffer, pieceBytes: number): void {
    if (!this.#busy && this.#waiting.length === 0 && chunk.length <= pieceBytes) {
      this.#takeOne(chunk);
      // Taking it may have let more come.
      if (this.#waiting.length > 0 || this.#afterwards !== null) this.#run();
      return;
    }
    for (let at = 0; at < chunk.length || at === 0; at += pieceBytes) {
      const piece = chunk.length <= pieceBytes ? chunk : chunk.subarray(at, at + pieceBytes);
      this.#waiting.push(piece);
      this.#waitingBytes += piece.length;
    }
    this.#run();
  }

  /** Takes out what waits: the answer ends before it could pass. */
  takeWaiting(): readonly Buffer[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    return waiting;
  }

  /** Acts once everything that has come is through. */
  whenThrough(act: () => void): void {
    this.#afterwards = act;
    this.#run();
  }

  #run(): void {
    while (!this.#busy) {
      const piece = this.#waiting.shift();
      if (piece === undefined) break;
      this.#waitingBytes -= piece.length;
      this.#takeOne(piece);
    }
    if (this.#busy) return;
    const act = this.#afterwards;
    this.#afterwards = null;
    act?.();
  }

  #takeOne(piece: Buffer): void {
    this.#busy = true;
    let isLate = false;
    this.#take(piece, () => {
      this.#busy = false;
      if (isLate) this.#run();
    });
    isLate = true;
  }
}

/** Holds the provider back for as long as anybody asks for it: a caller who reads slowly, a top-up under way. */
export class Valve {
  readonly #exchange: () => UpstreamExchange | null;
  #holding = 0;

  constructor(exchange: () => UpstreamExchange | null) {
    this.#exchange = exchange;
  }

  hold(): void {
    this.#holding += 1;
    if (this.#holding === 1) this.#exchange()?.pause();
  }

  release(): void {
    this.#holding -= 1;
    if (this.#holding === 0) this.#exchange()?.resume();
  }
}

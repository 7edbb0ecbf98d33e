import { writev } from 'node:fs';
import type { Frame } from '../schema/record.ts';
import { frameBytes, frameHeaderBytes, writeHeader } from './frame.ts';
import type { SegmentSeries } from './segment-series.ts';

interface Waiter {
  afterFrames: number;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Writes large payload frames one after the other, off the event loop. A frame that cannot be written stays first in the
 * queue; `flush` tries again. The queue is bounded by its caller through `queuedBytes`.
 */
export class BigWriter {
  readonly #series: SegmentSeries;
  readonly #now: () => number;
  readonly #onWritten: () => void;
  readonly #queue: Frame[] = [];
  #waiters: Waiter[] = [];
  #queuedBytes = 0;
  #framesIn = 0;
  #framesOut = 0;
  #writing = false;
  #failed = false;
  #leaveSegment = false;

  /** `onWritten` runs after each frame that stands whole in its segment. */
  constructor(input: { series: SegmentSeries; now: () => number; onWritten: () => void }) {
    this.#series = input.series;
    this.#now = input.now;
    this.#onWritten = input.onWritten;
  }

  /** Bytes waiting in memory. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Whether the last attempt failed; the queue then waits for `flush`. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Takes the frame over: its buffers must not change any more. */
  push(frame: Frame): void {
    this.#queue.push(frame);
    this.#queuedBytes += frameBytes(frame);
    this.#framesIn += 1;
    if (!this.#failed) void this.#drain();
  }

  /** Resolves when every frame pushed before has been written; rejects with the system's error when an attempt fails. */
  flush(): Promise<void> {
    if (this.#framesOut === this.#framesIn) return Promise.resolve();
    const done = new Promise<void>((resolve, reject) => {
      this.#waiters.push({ afterFrames: this.#framesIn, resolve, reject });
    });
    void this.#drain();
    return done;
  }

  /** Leaves the segment being written, as soon as no write into it is under way. */
  leaveSegment(): void {
    this.#leaveSegment = true;
    if (!this.#writing) this.#leaveNow();
  }

  /** Writes until the queue is empty or an attempt fails. Never rejects: waiters are told. */
  async #drain(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    this.#failed = false;
    try {
      for (let frame = this.#queue[0]; frame !== undefined; frame = this.#queue[0]) {
        this.#leaveNow();
        await this.#write(frame);
        this.#queue.shift();
        this.#queuedBytes -= frameBytes(frame);
        this.#framesOut += 1;
        this.#onWritten();
        this.#settle((waiter) => waiter.afterFrames <= this.#framesOut, null);
      }
    } catch (error) {
      this.#failed = true;
      this.#series.abandonWrite();
      this.#settle(() => true, error);
    } finally {
      this.#writing = false;
    }
  }

  async #write(frame: Frame): Promise<void> {
    const total = frameBytes(frame);
    const header = Buffer.allocUnsafe(frameHeaderBytes);
    writeHeader(header, frame);
    const fd = this.#series.open(total, this.#now());
    let parts = [header, frame.head, frame.tail];
    for (let left = total; left > 0; ) {
      const written = await writeOnce(fd, parts);
      left -= written;
      if (left > 0) parts = [Buffer.concat(parts).subarray(written)];
    }
    this.#series.wrote(total);
  }

  #leaveNow(): void {
    if (!this.#leaveSegment) return;
    this.#leaveSegment = false;
    this.#series.leave(this.#now());
  }

  #settle(concerns: (waiter: Waiter) => boolean, error: unknown): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) {
      if (!concerns(waiter)) this.#waiters.push(waiter);
      else if (error === null) waiter.resolve();
      else waiter.reject(error);
    }
  }
}

function writeOnce(fd: number, parts: readonly Buffer[]): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(fd, parts, null, (error, written) => {
      if (error === null && written > 0) resolve(written);
      else reject(error ?? new Error('the disk took nothing'));
    });
  });
}

import { unlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Frame } from '../schema/record.ts';
import { frameBytes, frameHeaderBytes, writeHeader } from './frame.ts';
import type { SegmentSeries } from './segment-series.ts';

const probeEveryMs = 250;
const probeBytes = Buffer.alloc(4096);

/** Writes frames synchronously: what `write` has returned from survives kill -9. */
export class RecordWriter {
  readonly #series: SegmentSeries;
  readonly #probePath: string;
  #scratch = Buffer.allocUnsafeSlow(64 * 1024);
  #failed = false;
  #nextProbeAtMs = 0;

  constructor(folder: string, series: SegmentSeries) {
    this.#series = series;
    this.#probePath = join(folder, 'probe');
  }

  /**
   * Writes frames of `bytes` bytes together. Throws the system's error, and then nothing of them stands in the spool that a
   * reader would take for a frame. One copy and one `write` cost a fifth less for 2 KB than `writev` over header, head and tail.
   */
  write(frames: readonly Frame[], bytes: number, nowMs: number): void {
    if (bytes > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(bytes);
    const scratch = this.#scratch;
    let at = 0;
    for (const frame of frames) {
      writeHeader(at === 0 ? scratch : scratch.subarray(at), frame);
      scratch.set(frame.head, at + frameHeaderBytes);
      scratch.set(frame.tail, at + frameHeaderBytes + frame.head.length);
      at += frameBytes(frame);
    }
    try {
      const fd = this.#series.open(bytes, nowMs);
      for (let done = 0; done < bytes; ) {
        const written = writeSync(fd, scratch, done, bytes - done);
        if (written === 0) throw new Error('the disk took nothing');
        done += written;
      }
    } catch (error) {
      this.#failed = true;
      this.#series.abandonWrite();
      throw error;
    }
    this.#series.wrote(bytes);
    this.#failed = false;
  }

  /** Whether writes work: after a failed one, asks the disk by writing 4 KB elsewhere, at most four times a second. */
  works(nowMs: number): boolean {
    if (!this.#failed) return true;
    if (nowMs < this.#nextProbeAtMs) return false;
    this.#nextProbeAtMs = nowMs + probeEveryMs;
    try {
      writeFileSync(this.#probePath, probeBytes);
      unlinkSync(this.#probePath);
    } catch {
      return false;
    }
    this.#failed = false;
    return true;
  }
}

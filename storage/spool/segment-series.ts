import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { formatSegmentName, type Series } from './segment.ts';

interface OpenSegment {
  fd: number;
  name: string;
  bytes: number;
  begunAtMs: number;
}

/**
 * The segment of one series that is being written, and the rule by which the next one is begun. A byte once written is
 * never written over: after a failed write the segment is cut back to its last whole frame and left.
 */
export class SegmentSeries {
  readonly #folder: string;
  readonly #series: Series;
  readonly #epoch: number;
  readonly #segmentBytes: number;
  readonly #onClosed: (segment: { name: string; bytes: number; begunAtMs: number }) => void;
  #current: OpenSegment | null = null;
  #lastSegment = 0;
  #retired: number[] = [];
  #folderChanged = false;

  constructor(input: {
    folder: string;
    series: Series;
    epoch: number;
    segmentBytes: number;
    onClosed: (segment: { name: string; bytes: number; begunAtMs: number }) => void;
  }) {
    this.#folder = input.folder;
    this.#series = input.series;
    this.#epoch = input.epoch;
    this.#segmentBytes = input.segmentBytes;
    this.#onClosed = input.onClosed;
  }

  /** Bytes in the segment being written. */
  get bytes(): number {
    return this.#current?.bytes ?? 0;
  }

  /** File name of the segment being written, or null before the first. */
  get fileName(): string | null {
    return this.#current?.name ?? null;
  }

  /** Unix ms at which the segment being written was begun; null where it is empty. */
  get begunAtMs(): number | null {
    return this.#current === null || this.#current.bytes === 0 ? null : this.#current.begunAtMs;
  }

  /** The descriptor that takes the next `bytes`, in a new segment where they would not fit. Throws the system's error. */
  open(bytes: number, nowMs: number): number {
    const current = this.#current;
    if (current !== null && (current.bytes === 0 || current.bytes + bytes <= this.#segmentBytes)) return current.fd;
    return this.begin(nowMs);
  }

  /** Begins a new segment and leaves the one before to `takeRetired`. Throws the system's error, changing nothing. */
  begin(nowMs: number): number {
    const segment = this.#lastSegment + 1;
    const name = formatSegmentName({ series: this.#series, epoch: this.#epoch, segment });
    const fd = openSync(join(this.#folder, name), 'ax', 0o600);
    this.#retire();
    this.#lastSegment = segment;
    this.#folderChanged = true;
    this.#current = { fd, name, bytes: 0, begunAtMs: nowMs };
    return fd;
  }

  /** Counts bytes that stand whole in the segment being written. */
  wrote(bytes: number): void {
    if (this.#current !== null) this.#current.bytes += bytes;
  }

  /**
   * After a failed write: cuts what it left, and leaves the segment unless it is empty, so that no offset is reused. False
   * where it could not be cut: frames that were written whole before the failure may then be read.
   */
  abandonWrite(): boolean {
    const current = this.#current;
    if (current === null) return true;
    try {
      ftruncateSync(current.fd, current.bytes);
    } catch {
      // A reader knows a torn frame from a whole one, and nothing follows the leavings in this segment.
      this.#retire();
      return false;
    }
    if (current.bytes > 0) this.#retire();
    return true;
  }

  /** The segment's file is gone: what is written next goes into a new one. */
  forsake(): void {
    this.#retire();
  }

  /** Descriptors to sync now: the current one stays open, the retired ones are the caller's to close. */
  takeForSync(): { current: number | null; retired: number[]; folderChanged: boolean } {
    const taken = { current: this.#current?.fd ?? null, retired: this.#retired, folderChanged: this.#folderChanged };
    this.#retired = [];
    this.#folderChanged = false;
    return taken;
  }

  /**
   * Leaves the segment being written unless it is empty. The next one is begun at once, because only that tells the reader
   * that this one is complete; where the disk refuses, the next write tries again.
   */
  leave(nowMs: number): void {
    if (this.bytes === 0) return;
    try {
      this.begin(nowMs);
    } catch {
      this.#retire();
    }
  }

  /** Closes everything without a sync. */
  close(): void {
    this.#retire();
    for (const fd of this.#retired) closeSync(fd);
    this.#retired = [];
  }

  #retire(): void {
    const current = this.#current;
    if (current === null) return;
    this.#current = null;
    this.#retired.push(current.fd);
    this.#onClosed(current);
  }
}

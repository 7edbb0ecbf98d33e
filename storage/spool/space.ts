import { readdirSync, statSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSegmentName } from './segment.ts';
import type { SegmentSeries } from './segment-series.ts';

const rescanWhenFullEveryMs = 100;

interface Closed {
  bytes: number;
  segments: number;
  oldestAtMs: number | null;
}

/**
 * How much of the spool's allowance is in use. The writer knows what it writes; what the shipper unlinks is found by
 * looking at the folder: every second off the event loop, and at once when the spool seems full.
 */
export class SpoolSpace {
  readonly #folder: string;
  readonly #allSeries: readonly SegmentSeries[];
  readonly #onLook: (files: readonly string[]) => void;
  #closed: Closed = { bytes: 0, segments: 0, oldestAtMs: null };
  #lastScanAtMs = Number.NEGATIVE_INFINITY;
  #scanning = false;

  /** `onLook` is given all names of the folder after each look at it. */
  constructor(folder: string, allSeries: readonly SegmentSeries[], onLook: (files: readonly string[]) => void) {
    this.#folder = folder;
    this.#allSeries = allSeries;
    this.#onLook = onLook;
  }

  /** Bytes on disk in all segments. */
  bytes(): number {
    return this.#allSeries.reduce((sum, series) => sum + series.bytes, this.#closed.bytes);
  }

  /** Names of all segments in the folder. */
  segmentFiles(): string[] {
    try {
      return readdirSync(this.#folder).filter((file) => parseSegmentName(file) !== null);
    } catch {
      return [];
    }
  }

  /** `oldestMs`: for how long the oldest segment that is not empty has been on disk, 0 for none. */
  stats(nowMs: number): { bytes: number; segments: number; oldestMs: number } {
    const begun = [this.#closed.oldestAtMs, ...this.#allSeries.map((series) => series.begunAtMs)];
    const oldest = Math.min(nowMs, ...begun.filter((atMs) => atMs !== null));
    return {
      bytes: this.bytes(),
      segments: this.#closed.segments + this.#allSeries.filter((series) => series.fileName !== null).length,
      oldestMs: nowMs - oldest,
    };
  }

  /** Whether `bytes` more stay within `capBytes`; looks at the folder before it says no, at most ten times a second. */
  fits(bytes: number, capBytes: number, nowMs: number): boolean {
    if (this.bytes() + bytes <= capBytes) return true;
    if (nowMs - this.#lastScanAtMs < rescanWhenFullEveryMs) return false;
    this.#lastScanAtMs = nowMs;
    this.#look();
    return this.bytes() + bytes <= capBytes;
  }

  /** Looks at the folder now, holding the event loop. A folder that cannot be read changes nothing. */
  #look(): void {
    let files: string[];
    try {
      files = readdirSync(this.#folder);
    } catch {
      return;
    }
    this.#closed = this.#sum(files, (file) => statSync(join(this.#folder, file), { throwIfNoEntry: false }));
    this.#onLook(files);
  }

  /** A segment was closed at `bytes`: it counts at once, before any look at the folder. */
  closedOne(bytes: number, begunAtMs: number): void {
    const oldestAtMs = Math.min(this.#closed.oldestAtMs ?? begunAtMs, begunAtMs);
    this.#closed = { bytes: this.#closed.bytes + bytes, segments: this.#closed.segments + 1, oldestAtMs };
  }

  /** Looks at the folder off the event loop. A result that a rotation has overtaken is dropped. Never rejects. */
  async rescan(nowMs: number): Promise<void> {
    if (this.#scanning) return;
    this.#scanning = true;
    const before = this.#allSeries.map((series) => series.fileName).join();
    try {
      const files = await readdir(this.#folder);
      const sizes = new Map<string, { size: number; birthtimeMs: number }>();
      for (const file of files) {
        if (parseSegmentName(file) !== null) sizes.set(file, await stat(join(this.#folder, file)));
      }
      if (before !== this.#allSeries.map((series) => series.fileName).join()) return;
      this.#lastScanAtMs = nowMs;
      this.#closed = this.#sum([...sizes.keys()], (file) => sizes.get(file));
      this.#onLook(files);
    } catch (error) {
      // A segment unlinked between the listing and its stat, or a folder that cannot be read just now: the next look will tell.
      const { code, syscall } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' && syscall === 'scandir') this.#onLook([]);
    } finally {
      this.#scanning = false;
    }
  }

  #sum(files: readonly string[], look: (file: string) => { size: number; birthtimeMs: number } | undefined): Closed {
    const current = new Set(this.#allSeries.map((series) => series.fileName));
    const closed: Closed = { bytes: 0, segments: 0, oldestAtMs: null };
    for (const file of files) {
      if (parseSegmentName(file) === null || current.has(file)) continue;
      const found = look(file);
      if (found === undefined || found.size === 0) continue;
      closed.bytes += found.size;
      closed.segments += 1;
      closed.oldestAtMs = Math.min(closed.oldestAtMs ?? found.birthtimeMs, found.birthtimeMs);
    }
    return closed;
  }
}

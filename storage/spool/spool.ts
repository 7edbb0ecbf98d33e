import { mkdir } from 'node:fs/promises';
import { HocError } from '../schema/errors.ts';
import type { Frame } from '../schema/record.ts';
import { BigWriter } from './big-writer.ts';
import { beginEpoch } from './epoch.ts';
import { frameBytes, maxFrameBytes } from './frame.ts';
import { type SpoolLock, takeSpoolLock } from './lock.ts';
import { RecordWriter } from './record-writer.ts';
import { type Series, spoolFolder } from './segment.ts';
import { SegmentSeries } from './segment-series.ts';
import { SpoolSpace } from './space.ts';
import { Syncer } from './syncer.ts';

/** Payload frames above this many bytes go to the `big` series: a synchronous write of them would hold the event loop. */
export const bigFrameBytes = 64 * 1024;
const queuedBytesCap = 64 * 1024 * 1024;
const tickMs = 100;
const ticksPerRescan = 10;

export interface SpoolOptions {
  /** Folder of all spools, `HOC_DATA/spool`; this one lies in `<dir>/<proxyId>`. */
  dir: string;
  proxyId: string;
  /** A segment is left for the next one at this size (default 32 MB) or age. */
  segmentBytes?: number;
  /** Age at which a segment is left, so that shipped values do not linger on a quiet proxy. Default 60 s. */
  segmentAgeMs?: number;
  /** Allowance on disk, default 8 GB. New runs stop at 7/8 of it, appends at all of it. */
  maxBytes?: number;
  /** `process`: survives the death of the process at once, of the machine after 100 ms. `disk`: callers await `sync`. */
  durability: 'process' | 'disk';
  /** How long to wait for the lock; default 500 ms. */
  lockWaitMs?: number;
  now?: () => number;
}

/** One epoch of one proxy's spool, opened for writing. */
export interface Spool {
  readonly proxyId: string;
  readonly epoch: number;
  readonly durability: 'process' | 'disk';
  /** The seq of the next record. It is taken by `append` of a record frame, so that a failed append leaves no gap. */
  nextSeq(): number;
  /**
   * Appends frames, a payload and its record say, with one write. A record carries the `nextSeq` of the same tick. Survives kill -9 when this returns, except payload
   * frames above 64 KB: those are taken over (their buffers must not change) and written soon after. Throws `spool_full`.
   */
  append(...frames: Frame[]): void;
  /** Whether a new run may begin: false from 7/8 of the allowance, and after a disk error until a write works again. */
  accepts(): boolean;
  /** `bytes` and `segments` on disk, and for how long (ms) the oldest segment that is not empty has been there. */
  stats(): { bytes: number; segments: number; oldestMs: number };
  /** Resolves when everything appended before is on the disk; rejects with `spool_full` where it may not be. */
  sync(): Promise<void>;
  /** Writes and syncs what is left, and gives the lock back. Rejects with `spool_full` where that failed. */
  close(): Promise<void>;
}

/**
 * Opens the spool in a new epoch, greater than all before. Throws `conflict` where another process holds it, `input_invalid`
 * for an unfit proxy id, `engine_unavailable` where it cannot be locked, `spool_full` where the folder cannot be written.
 */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const folder = spoolFolder(options.dir, options.proxyId);
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch(refuse);
  const lock = await takeSpoolLock(folder, options.lockWaitMs ?? 500);
  try {
    return new SpoolWriter({ ...options, folder, lock, epoch: await beginEpoch(folder) });
  } catch (error) {
    await lock.release();
    throw error instanceof HocError ? error : spoolFull(error);
  }
}

class SpoolWriter implements Spool {
  readonly proxyId: string;
  readonly epoch: number;
  readonly durability: 'process' | 'disk';
  readonly #lock: SpoolLock;
  readonly #maxBytes: number;
  readonly #segmentAgeMs: number;
  readonly #now: () => number;
  readonly #records: SegmentSeries;
  readonly #bigs: SegmentSeries;
  readonly #writer: RecordWriter;
  readonly #bigWriter: BigWriter;
  readonly #space: SpoolSpace;
  readonly #syncer: Syncer;
  readonly #ticker: NodeJS.Timeout;
  #seq = 1;
  #dirty = true;
  #closed = false;
  #ticks = 0;

  constructor(input: SpoolOptions & { folder: string; lock: SpoolLock; epoch: number }) {
    this.proxyId = input.proxyId;
    this.epoch = input.epoch;
    this.durability = input.durability;
    this.#lock = input.lock;
    this.#maxBytes = input.maxBytes ?? 8 * 1024 ** 3;
    this.#segmentAgeMs = input.segmentAgeMs ?? 60_000;
    this.#now = input.now ?? Date.now;
    const allSeries: SegmentSeries[] = [];
    this.#space = new SpoolSpace(input.folder, allSeries);
    const makeSeries = (series: Series) =>
      new SegmentSeries({
        ...{ folder: input.folder, series, epoch: input.epoch },
        segmentBytes: input.segmentBytes ?? 32 * 1024 * 1024,
        onClosed: (bytes, begunAtMs) => this.#space.closedOne(bytes, begunAtMs),
      });
    this.#records = makeSeries('seg');
    this.#bigs = makeSeries('big');
    allSeries.push(this.#records, this.#bigs);
    this.#syncer = new Syncer(input.folder, allSeries, () => {
      for (const series of allSeries) this.#leaveSegment(series);
    });
    this.#writer = new RecordWriter(input.folder, this.#records);
    const onWritten = () => {
      this.#dirty = true;
    };
    this.#bigWriter = new BigWriter({ series: this.#bigs, now: this.#now, onWritten });
    this.#records.begin(this.#now());
    this.#space.fits(0, Number.NEGATIVE_INFINITY, this.#now());
    this.#ticker = setInterval(() => this.#tick(), tickMs).unref();
  }

  nextSeq(): number {
    return this.#seq;
  }

  append(...frames: Frame[]): void {
    const small: Frame[] = [];
    let smallBytes = 0;
    for (const frame of frames) {
      const bytes = frameBytes(frame);
      this.#check(frame, bytes);
      if (frame.kind === 'payload' && bytes > bigFrameBytes) {
        if (this.#bigWriter.queuedBytes + bytes > queuedBytesCap) throw spoolFull(new Error('payload queue is full'));
        this.#bigWriter.push(frame);
        continue;
      }
      small.push(frame);
      smallBytes += bytes;
    }
    try {
      if (small.length > 0) this.#writer.write(small, smallBytes, this.#now());
    } catch (error) {
      throw spoolFull(error);
    }
    this.#dirty = true;
    for (const frame of small) if (frame.kind === 'record') this.#seq += 1;
  }

  accepts(): boolean {
    if (this.#closed || this.#syncer.failed || this.#bigWriter.failed) return false;
    const nowMs = this.#now();
    if (!this.#writer.works(nowMs)) return false;
    return this.#space.fits(this.#bigWriter.queuedBytes, this.#maxBytes - this.#maxBytes / 8, nowMs);
  }

  stats(): { bytes: number; segments: number; oldestMs: number } {
    return this.#space.stats(this.#now());
  }

  async sync(): Promise<void> {
    const flushed = await Promise.allSettled([this.#bigWriter.flush()]);
    const synced = await Promise.allSettled([this.#syncer.sync()]);
    const failure = [...flushed, ...synced].find((result) => result.status === 'rejected');
    if (failure !== undefined) throw spoolFull(failure.reason);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#ticker);
    try {
      await this.sync();
    } finally {
      this.#records.close();
      this.#bigs.close();
      await this.#lock.release();
    }
  }

  /** Throws where the frame may not be appended: closed, too large, out of sequence, or out of allowance. */
  #check(frame: Frame, bytes: number): void {
    if (this.#closed) throw internal('The spool is closed.');
    if (bytes > maxFrameBytes) throw internal('A frame is larger than the spool takes.');
    if (frame.kind === 'record' && frame.seq !== this.#seq) throw internal('A record is out of sequence.');
    if (!this.#space.fits(bytes + this.#bigWriter.queuedBytes, this.#maxBytes, this.#now())) {
      throw spoolFull(new Error('the spool has used its allowance'));
    }
  }

  /** Every 100 ms: sync what is new, retry what failed, leave old segments, and now and then look at the folder. */
  #tick(): void {
    const nowMs = this.#now();
    if (nowMs - (this.#records.begunAtMs ?? nowMs) > this.#segmentAgeMs) this.#leaveSegment(this.#records);
    if (nowMs - (this.#bigs.begunAtMs ?? nowMs) > this.#segmentAgeMs) this.#leaveSegment(this.#bigs);
    if (this.#bigWriter.failed) void this.#bigWriter.flush().catch(() => undefined);
    if ((this.#dirty || this.#syncer.failed) && !this.#syncer.busy) {
      this.#dirty = false;
      // A failure shows in `accepts` until a later pass succeeds.
      void this.#syncer.sync().catch(() => undefined);
    }
    this.#ticks += 1;
    if (this.#ticks % ticksPerRescan === 0) void this.#space.rescan(nowMs);
  }

  #leaveSegment(series: SegmentSeries): void {
    this.#dirty = true;
    if (series === this.#bigs) this.#bigWriter.leaveSegment();
    else series.leave(this.#now());
  }
}

function refuse(error: unknown): never {
  throw spoolFull(error);
}

function spoolFull(cause: unknown): HocError {
  if (cause instanceof HocError) return cause;
  return new HocError({
    code: 'spool_full',
    publicMessage: 'The record store of this proxy cannot take new runs.',
    cause,
  });
}

function internal(publicMessage: string): HocError {
  return new HocError({ code: 'internal', publicMessage });
}

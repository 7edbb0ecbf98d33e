import { mkdir } from 'node:fs/promises';
import { HocError } from '../schema/errors.ts';
import type { Frame } from '../schema/record.ts';
import type { Room, Spool, SpoolOptions } from './contract.ts';
import { beginEpoch } from './epoch.ts';
import { frameBytes, maxFrameBytes } from './frame.ts';
import { openIdentity } from './identity.ts';
import { type SpoolLock, takeSpoolLock } from './lock.ts';
import { addLostLease } from './lost-leases.ts';
import { RecordWriter } from './record-writer.ts';
import { type Series, spoolFolder } from './segment.ts';
import { SegmentSeries } from './segment-series.ts';
import { SpoolSpace } from './space.ts';
import { Syncer } from './syncer.ts';
import { TenantUse, tenantOf } from './tenant-use.ts';

/** Payload frames above this many bytes go to the `big` series. */
export const bigFrameBytes = 64 * 1024;
const tickMs = 100;
const ticksPerRescan = 10;

/**
 * Opens the spool in a new epoch, greater than all before. Throws `conflict` where another process holds it, `input_invalid`
 * for an unfit proxy id, `engine_unavailable` where it cannot be locked, `spool_full` where the folder cannot be written.
 */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const folder = spoolFolder(options.dir, options.proxyId);
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch(refuse);
  const lock = await takeSpoolLock(folder, options.lockWaitMs ?? 500);
  try {
    const identity = await openIdentity(folder);
    const epoch = await beginEpoch(folder, (options.now ?? Date.now)());
    return new SpoolWriter({ ...options, folder, lock, identity, epoch });
  } catch (error) {
    await lock.release();
    throw error instanceof HocError ? error : spoolFull(error);
  }
}

class SpoolWriter implements Spool {
  readonly proxyId: string;
  readonly epoch: number;
  readonly identity: string;
  readonly durability: 'process' | 'disk';
  readonly #folder: string;
  readonly #lock: SpoolLock;
  readonly #maxBytes: number;
  readonly #whenFull: 'refuse' | 'metadata';
  readonly #segmentAgeMs: number;
  readonly #now: () => number;
  readonly #records: SegmentSeries;
  readonly #bigs: SegmentSeries;
  readonly #writer: RecordWriter;
  readonly #space: SpoolSpace;
  readonly #use: TenantUse;
  readonly #syncer: Syncer;
  readonly #ticker: NodeJS.Timeout;
  #seq = 1;
  #dirty = true;
  #closed = false;
  #ticks = 0;

  constructor(input: SpoolOptions & { folder: string; lock: SpoolLock; identity: string; epoch: number }) {
    const { folder, epoch } = input;
    this.proxyId = input.proxyId;
    this.epoch = epoch;
    this.identity = input.identity;
    this.durability = input.durability;
    this.#folder = folder;
    this.#lock = input.lock;
    this.#maxBytes = input.maxBytes ?? 8 * 1024 ** 3;
    this.#whenFull = input.whenFull ?? 'refuse';
    this.#segmentAgeMs = input.segmentAgeMs ?? 60_000;
    this.#now = input.now ?? Date.now;
    const allSeries: SegmentSeries[] = [];
    this.#space = new SpoolSpace(folder, allSeries, (files) => this.#onLook(files));
    this.#use = new TenantUse(folder);
    const segmentBytes = input.segmentBytes ?? 32 * 1024 * 1024;
    const makeSeries = (series: Series) =>
      new SegmentSeries({ folder, series, epoch, segmentBytes, onClosed: (segment) => this.#onClosed(segment) });
    this.#records = makeSeries('seg');
    this.#bigs = makeSeries('big');
    allSeries.push(this.#records, this.#bigs);
    this.#syncer = new Syncer(folder, allSeries, () => {
      for (const series of allSeries) this.#leaveSegment(series);
    });
    this.#writer = new RecordWriter(folder);
    this.#records.begin(this.#now());
    this.#space.fits(0, Number.NEGATIVE_INFINITY, this.#now());
    this.#use.restore(this.#space.segmentFiles());
    this.#ticker = setInterval(() => this.#tick(), tickMs).unref();
  }

  nextSeq(): number {
    return this.#seq;
  }

  append(...frames: Frame[]): void {
    const nowMs = this.#now();
    const small: Frame[] = [];
    let smallBytes = 0;
    let allBytes = 0;
    let records = 0;
    for (const frame of frames) {
      const bytes = frameBytes(frame);
      this.#check(frame, bytes, records);
      allBytes += bytes;
      if (frame.kind === 'record') records += 1;
      if (isBig(frame, bytes)) continue;
      small.push(frame);
      smallBytes += bytes;
    }
    if (!this.#space.fits(allBytes, this.#maxBytes, nowMs)) {
      throw spoolFull(new Error('the spool has used its allowance'));
    }
    this.#dirty = true;
    // A record that may stand in the spool all the same has used its sequence number up.
    const onLeft = () => {
      this.#seq += records;
    };
    try {
      for (const frame of frames) {
        const bytes = frameBytes(frame);
        if (isBig(frame, bytes)) this.#writer.writeLarge(this.#bigs, frame, { bytes, nowMs });
      }
      if (small.length > 0) this.#writer.write(this.#records, small, { bytes: smallBytes, nowMs, onLeft });
    } catch (error) {
      throw spoolFull(error);
    }
    this.#seq += records;
    this.#count(frames);
  }

  accepts(): boolean {
    if (this.#closed || this.#syncer.failed) return false;
    const nowMs = this.#now();
    if (!this.#writer.works(nowMs)) return false;
    return this.#space.fits(0, this.#maxBytes - this.#maxBytes / 8, nowMs);
  }

  room(tenant: string): Room {
    if (!this.accepts()) return 'none';
    const bytes = this.#space.bytes();
    const share = this.#maxBytes / 2;
    if (bytes <= share) return 'all';
    const used = this.#use.bytes(tenant);
    if (this.#whenFull === 'refuse') return used > share ? 'none' : 'all';
    if (used > share + this.#maxBytes / 8) return 'none';
    return used > share || bytes > share + this.#maxBytes / 4 ? 'metadata' : 'all';
  }

  stats(): { bytes: number; segments: number; oldestMs: number } {
    return this.#space.stats(this.#now());
  }

  async sync(): Promise<void> {
    await this.#syncer.sync().catch(refuse);
  }

  noteLostLease(): Promise<void> {
    return addLostLease(this.#folder);
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

  /** Throws where the frame may not be appended: closed, too large, or out of sequence behind `records` of this append. */
  #check(frame: Frame, bytes: number, records: number): void {
    if (this.#closed) throw internal('The spool is closed.');
    if (bytes > maxFrameBytes) throw internal('A frame is larger than the spool takes.');
    if (frame.kind === 'record' && frame.seq !== this.#seq + records) throw internal('A record is out of sequence.');
  }

  #count(frames: readonly Frame[]): void {
    for (const frame of frames) {
      const bytes = frameBytes(frame);
      const file = (isBig(frame, bytes) ? this.#bigs : this.#records).fileName;
      if (file !== null) this.#use.add(file, tenantOf(frame), bytes);
    }
  }

  #onClosed(segment: { name: string; bytes: number; begunAtMs: number }): void {
    this.#space.closedOne(segment.bytes, segment.begunAtMs);
    this.#use.left(segment.name);
  }

  /** After a look at the folder: forgets what was released. A segment that is being written must still be there. */
  #onLook(files: readonly string[]): void {
    const present = new Set(files);
    this.#use.keepOnly(present);
    for (const series of [this.#records, this.#bigs]) {
      if (series.fileName === null || present.has(series.fileName)) continue;
      this.#writer.distrust();
      series.forsake();
    }
  }

  /** Every 100 ms: sync what is new, retry what failed, leave old segments, and now and then look at the folder. */
  #tick(): void {
    const nowMs = this.#now();
    if (nowMs - (this.#records.begunAtMs ?? nowMs) > this.#segmentAgeMs) this.#leaveSegment(this.#records);
    if (nowMs - (this.#bigs.begunAtMs ?? nowMs) > this.#segmentAgeMs) this.#leaveSegment(this.#bigs);
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
    series.leave(this.#now());
  }
}

function isBig(frame: Frame, bytes: number): boolean {
  return frame.kind === 'payload' && bytes > bigFrameBytes;
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

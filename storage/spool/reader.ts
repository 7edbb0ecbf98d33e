import { type FileHandle, rm, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { readEpoch } from './epoch.ts';
import { isSpoolLocked } from './lock.ts';
import { OpenFiles } from './open-files.ts';
import { countQuarantined, setAside, setSegmentAside } from './quarantine.ts';
import {
  compareSegments,
  formatSegmentName,
  listSegments,
  type SegmentName,
  type Series,
  type SpoolPosition,
  spoolFolder,
} from './segment.ts';
import { useFileOf } from './tenant-use.ts';
import { findNextFrame, type ReadBudget, type SpoolFrame, takeFrames } from './window.ts';

/** Something that is not as it was written. `bytes` is how much was passed over; `keptCopy` whether quarantine has it. */
export interface SpoolFinding {
  kind: 'damaged_frame' | 'torn_tail' | 'segments_missing';
  file: string;
  offset: number;
  bytes: number;
  keptCopy: boolean;
}

/**
 * A stretch of one series within one epoch. `end` says what follows: `more` to read now, `waiting` for the proxy to append,
 * or nothing ever again, because the epoch is `over`.
 */
export interface SpoolSlice {
  frames: readonly SpoolFrame[];
  from: SpoolPosition;
  to: SpoolPosition;
  findings: readonly SpoolFinding[];
  end: 'more' | 'waiting' | 'over';
}

export interface SpoolReadRequest {
  series: Series;
  from: SpoolPosition;
  budget: ReadBudget;
  /** The caller knows that the epoch's proxy is dead (`isEpochOver` said so before this call). */
  epochIsOver: boolean;
  /** Read no further than here, a place that an earlier slice ended at. */
  until?: SpoolPosition;
  /** Whether what is damaged is copied to quarantine; by default it is. */
  keepsCopies?: boolean;
}

/** What the shipper reads a spool through. It changes nothing but by `release` and by copies in `quarantine/`. */
export interface SpoolReader {
  /** Where the series begins, or null while it holds nothing. */
  first(series: Series): Promise<SpoolPosition | null>;
  /** The start of the next epoch that has anything in the series, or null. */
  nextEpoch(series: Series, epoch: number): Promise<SpoolPosition | null>;
  /**
   * Reads frames in order. Damage is passed over and reported, never thrown. Rejects with the system's error on I/O; where a
   * disk keeps refusing some blocks, they count as damage after a few attempts, and the segment is kept in quarantine.
   */
  read(request: SpoolReadRequest): Promise<SpoolSlice>;
  /** Whether nobody can append to this epoch any more: a newer one has begun, or the spool's lock is free. */
  isEpochOver(epoch: number): Promise<boolean>;
  /** The newest epoch that was ever begun, 0 for none. */
  newestEpoch(): Promise<number>;
  /** Bytes that lie in quarantine. */
  quarantinedBytes(): Promise<number>;
  /** Unlinks the segments before the one that `position` stands in. Returns how many. */
  release(series: Series, position: SpoolPosition): Promise<number>;
  /** Where the series ends now, and the bytes from `position` (null: from its beginning) to there. */
  backlog(series: Series, position: SpoolPosition | null): Promise<{ end: SpoolPosition | null; bytes: number }>;
  close(): Promise<void>;
}

const windowBytes = 1024 * 1024;

/** Opens a reader on the spool `<dir>/<proxyId>`, which may not exist yet. Holds one window (1 MB) or one frame at a time. */
export function openSpoolReader(input: { dir: string; proxyId: string }): SpoolReader {
  const folder = spoolFolder(input.dir, input.proxyId);
  const files = new OpenFiles(folder);
  const segmentsOf = async (series: Series) => (await listSegments(folder)).filter((name) => name.series === series);
  return {
    first: async (series) => startOf((await segmentsOf(series))[0]),
    nextEpoch: async (series, epoch) => startOf((await segmentsOf(series)).find((name) => name.epoch > epoch)),
    read: (request) => new Reading(folder, files, request).run(),
    newestEpoch: () => readEpoch(folder),
    quarantinedBytes: () => countQuarantined(folder),
    isEpochOver: async (epoch) => (await readEpoch(folder)) > epoch || !(await isSpoolLocked(folder)),
    release: async (series, position) => {
      const done = (await segmentsOf(series)).filter((name) => compareSegments(name, position) < 0);
      for (const name of done) {
        const file = formatSegmentName(name);
        if (files.isUnreadable(file)) await setSegmentAside(folder, file);
        else await unlink(join(folder, file));
        await rm(join(folder, useFileOf(file)), { force: true });
      }
      return done.length;
    },
    backlog: async (series, position) => {
      let bytes = 0;
      let end: SpoolPosition | null = position;
      for (const name of await segmentsOf(series)) {
        if (position !== null && compareSegments(name, position) < 0) continue;
        const { size } = await stat(join(folder, formatSegmentName(name)));
        const read = position !== null && compareSegments(name, position) === 0 ? position.offset : 0;
        bytes += Math.max(0, size - read);
        end = { epoch: name.epoch, segment: name.segment, offset: size };
      }
      return { end, bytes };
    },
    close: () => files.close(),
  };
}

function startOf(name: SegmentName | undefined): SpoolPosition | null {
  return name === undefined ? null : { epoch: name.epoch, segment: 1, offset: 0 };
}

/** One call of `read`: walks windows, and segments of one epoch, until the budget, `until` or the end. */
class Reading {
  readonly #folder: string;
  readonly #files: OpenFiles;
  readonly #request: SpoolReadRequest;
  readonly #budget: ReadBudget;
  readonly #frames: SpoolFrame[] = [];
  readonly #findings: SpoolFinding[] = [];
  #position: SpoolPosition;
  /** Whether the segment at the position can no longer grow. */
  #complete: boolean;
  #suspectOffset = -1;

  constructor(folder: string, files: OpenFiles, request: SpoolReadRequest) {
    this.#folder = folder;
    this.#files = files;
    this.#request = request;
    this.#budget = { ...request.budget };
    this.#position = { ...request.from };
    this.#complete = request.epochIsOver;
  }

  async run(): Promise<SpoolSlice> {
    for (;;) {
      if (this.#reachedUntil()) return this.#slice('more');
      const file = await this.#files.get(this.#request.series, this.#fileName());
      const size = file === null ? 0 : (await file.stat()).size;
      if (file !== null && size > this.#position.offset) {
        const stop = await this.#readOn(file, size);
        if (stop === 'budget') return this.#slice('more');
        if (stop === 'moved') continue;
      }
      // At the end of what there is: look whether more can come, and if not read once more what came before that look.
      if (!this.#complete) {
        if (!(await this.#canBeLeft())) return this.#slice('waiting');
        this.#complete = true;
        continue;
      }
      if (file !== null && size > this.#position.offset) await this.#passOver(file, 'torn_tail', size);
      else if (!(await this.#enterNextSegment(file === null))) return this.#slice('over');
    }
  }

  /** Reads one window. `stuck`: the rest of the segment, as far as it is there, holds no whole frame. */
  async #readOn(file: FileHandle, size: number): Promise<'moved' | 'budget' | 'stuck'> {
    const left = size - this.#position.offset;
    const read = this.#files.readerOf(this.#fileName());
    let window = await read(file, this.#position.offset, Math.min(windowBytes, left, this.#bytesToUntil()));
    let stop = takeFrames(window, this.#frames, this.#budget);
    if (stop.reason === 'short' && stop.at === 0 && stop.neededBytes > window.length && stop.neededBytes <= left) {
      window = await read(file, this.#position.offset, stop.neededBytes);
      stop = takeFrames(window, this.#frames, this.#budget);
    }
    this.#position.offset += stop.at;
    if (stop.reason === 'budget') return 'budget';
    if (stop.at > 0) return 'moved';
    return stop.reason === 'damaged' ? this.#passDamage(file, size) : 'stuck';
  }

  /** Damage is believed at the second look: the first may have seen a write under way. */
  async #passDamage(file: FileHandle, size: number): Promise<'moved' | 'stuck'> {
    const { offset } = this.#position;
    if (this.#suspectOffset !== offset) {
      this.#suspectOffset = offset;
      return 'moved';
    }
    const read = this.#files.readerOf(this.#fileName());
    const next = await findNextFrame({ file, offset, size, stepBytes: windowBytes, read });
    if (next === null && !this.#complete) return 'stuck';
    await this.#passOver(file, 'damaged_frame', next ?? size);
    return 'moved';
  }

  async #passOver(file: FileHandle, kind: 'damaged_frame' | 'torn_tail', end: number): Promise<void> {
    const start = this.#position.offset;
    const segment = this.#fileName();
    const wanted = this.#request.keepsCopies ?? true;
    const keptCopy = wanted && (await setAside({ folder: this.#folder, segment, source: file, start, end }));
    this.#findings.push({ kind, file: segment, offset: start, bytes: end - start, keptCopy });
    this.#position.offset = end;
  }

  /** Whether the segment at the position is complete although its epoch may live on: something newer exists. */
  async #canBeLeft(): Promise<boolean> {
    if ((await this.#laterSegments()).length > 0) return true;
    return (await readEpoch(this.#folder)) > this.#position.epoch;
  }

  async #laterSegments(): Promise<SegmentName[]> {
    const { series } = this.#request;
    const { epoch, segment } = this.#position;
    const all = await listSegments(this.#folder);
    return all.filter((name) => name.series === series && name.epoch === epoch && name.segment > segment);
  }

  /** Moves to the next segment of the epoch; false where there is none. Reports what lies missing in between. */
  async #enterNextSegment(currentIsMissing: boolean): Promise<boolean> {
    const next = (await this.#laterSegments())[0];
    const firstMissing = this.#position.segment + (currentIsMissing ? 0 : 1);
    if (next === undefined ? currentIsMissing : next.segment > firstMissing) {
      const name = { series: this.#request.series, epoch: this.#position.epoch, segment: firstMissing };
      const file = formatSegmentName(name);
      this.#findings.push({ kind: 'segments_missing', file, offset: 0, bytes: 0, keptCopy: false });
    }
    if (next === undefined) return false;
    this.#position = { epoch: next.epoch, segment: next.segment, offset: 0 };
    this.#complete = this.#request.epochIsOver;
    this.#suspectOffset = -1;
    return true;
  }

  #reachedUntil(): boolean {
    const { until } = this.#request;
    if (until === undefined) return false;
    return (compareSegments(this.#position, until) || this.#position.offset - until.offset) >= 0;
  }

  #bytesToUntil(): number {
    const { until } = this.#request;
    if (until === undefined || compareSegments(this.#position, until) !== 0) return Infinity;
    return until.offset - this.#position.offset;
  }

  #fileName(): string {
    const { epoch, segment } = this.#position;
    return formatSegmentName({ series: this.#request.series, epoch, segment });
  }

  #slice(end: 'more' | 'waiting' | 'over'): SpoolSlice {
    const { from } = this.#request;
    return { frames: this.#frames, from, to: this.#position, findings: this.#findings, end };
  }
}

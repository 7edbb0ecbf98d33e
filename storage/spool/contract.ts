import type { Frame } from '../schema/record.ts';

/** What a new run of a tenant may leave in the spool: everything, its records without payloads, or nothing. */
export type Room = 'all' | 'metadata' | 'none';

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
  /** What a tenant that has filled its share gets: nothing, or records without payloads. Default `refuse`. */
  whenFull?: 'refuse' | 'metadata';
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
  /** A random id of this spool, the same in all its epochs. */
  readonly identity: string;
  readonly durability: 'process' | 'disk';
  /** The seq of the next record. It is taken by `append` of a record frame, so that a failed append leaves no gap. */
  nextSeq(): number;
  /**
   * Appends frames, a payload and its record say; payloads stand before the record does, so that a record never lacks one.
   * A record carries the `nextSeq` of the same tick. Survives kill -9 when this returns. It holds the event loop for as long
   * as checksum and copy take: 2 us for 2 KB, 0.6 ms for 1 MB, 2 ms for 4 MB. Throws `spool_full`, and then no record of
   * them stands.
   */
  append(...frames: Frame[]): void;
  /** Whether a new run may begin: false from 7/8 of the allowance, and after a disk error until a write works again. */
  accepts(): boolean;
  /**
   * What a new run of this tenant may leave here. Once half of the allowance is in use, a tenant that has that much itself
   * gets nothing more; with `whenFull: metadata` its payloads are left out first, and everybody's from 3/4 on.
   */
  room(tenant: string): Room;
  /** `bytes` and `segments` on disk, and for how long (ms) the oldest segment that is not empty has been there. */
  stats(): { bytes: number; segments: number; oldestMs: number };
  /** Resolves when everything appended before is on the disk; rejects with `spool_full` where it may not be. */
  sync(): Promise<void>;
  /** Notes beside the records that the proxy lost its lease once more. Rejects with the system's error. */
  noteLostLease(): Promise<void>;
  /** Writes and syncs what is left, and gives the lock back. Rejects with `spool_full` where that failed. */
  close(): Promise<void>;
}

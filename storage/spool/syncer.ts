import { close, fdatasync } from 'node:fs';
import { promisify } from 'node:util';
import { syncFolder } from './atomic-file.ts';
import type { SegmentSeries } from './segment-series.ts';

const syncFile = promisify(fdatasync);
const closeFile = promisify(close);

/**
 * Makes what was written durable, off the event loop, one pass at a time: callers that come while a pass runs share the
 * next one. A pass that failed stays visible in `failed` until a later one succeeds.
 */
export class Syncer {
  readonly #folder: string;
  readonly #allSeries: readonly SegmentSeries[];
  readonly #onFailed: () => void;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #failed = false;

  /** `onFailed` runs after each pass that failed: what is written next should go into new segments. */
  constructor(folder: string, allSeries: readonly SegmentSeries[], onFailed: () => void) {
    this.#folder = folder;
    this.#allSeries = allSeries;
    this.#onFailed = onFailed;
  }

  /** Whether the last pass failed: bytes may have been lost by the disk. */
  get failed(): boolean {
    return this.#failed;
  }

  get busy(): boolean {
    return this.#running !== null;
  }

  /** Resolves when everything written before the call is durable; rejects with the system's error where it may not be. */
  sync(): Promise<void> {
    if (this.#next === null) {
      const before = this.#running ?? Promise.resolve();
      const pass: Promise<void> = before.then(
        () => this.#begin(pass),
        () => this.#begin(pass),
      );
      this.#next = pass;
    }
    return this.#next;
  }

  async #begin(self: Promise<void>): Promise<void> {
    this.#running = self;
    this.#next = null;
    try {
      await this.#pass();
      this.#failed = false;
    } catch (error) {
      this.#failed = true;
      this.#onFailed();
      throw error;
    } finally {
      this.#running = null;
    }
  }

  /** One call at a time: a slow disk must not hold all threads that address lookups and file reads share. */
  async #pass(): Promise<void> {
    const taken = this.#allSeries.map((series) => series.takeForSync());
    const work: (() => Promise<void>)[] = [];
    for (const { current, retired } of taken) {
      for (const fd of retired) work.push(() => syncFile(fd).finally(() => closeFile(fd)));
      if (current !== null) work.push(() => syncFile(current));
    }
    if (taken.some((each) => each.folderChanged)) work.push(() => syncFolder(this.#folder));
    const failures: unknown[] = [];
    for (const act of work) await act().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
}

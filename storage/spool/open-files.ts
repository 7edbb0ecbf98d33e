import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Series } from './segment.ts';
import { type ReadWindow, readAround, readWindow } from './window.ts';

/** Attempts after which blocks that the disk refuses count as damage, where it still reads others. */
const attemptsBeforeDamage = 5;

/** Keeps the segment that is being read of each series open between readings, and knows which ones the disk refuses in part. */
export class OpenFiles {
  readonly #folder: string;
  readonly #open = new Map<Series, { name: string; file: FileHandle }>();
  readonly #refusals = new Map<string, number>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The segment's file, or null where it is missing. */
  async get(series: Series, name: string): Promise<FileHandle | null> {
    const held = this.#open.get(series);
    if (held?.name === name) return held.file;
    this.#open.delete(series);
    await held?.file.close();
    try {
      const file = await open(join(this.#folder, name), 'r');
      this.#open.set(series, { name, file });
      return file;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  }

  /** How to read windows of this segment. Rejects with the system's error, `EIO` for the first few times only. */
  readerOf(name: string): ReadWindow {
    return async (file, offset, bytes) => {
      if (this.isUnreadable(name)) return readAround(file, offset, bytes);
      try {
        return await readWindow(file, offset, bytes);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EIO') {
          this.#refusals.set(name, (this.#refusals.get(name) ?? 0) + 1);
        }
        throw error;
      }
    };
  }

  /** Whether the disk has refused to read some of this segment again and again. */
  isUnreadable(name: string): boolean {
    return (this.#refusals.get(name) ?? 0) >= attemptsBeforeDamage;
  }

  async close(): Promise<void> {
    for (const { file } of this.#open.values()) await file.close();
    this.#open.clear();
  }
}

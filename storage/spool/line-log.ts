import { type FileHandle, open } from 'node:fs/promises';
import { readIfPresent, saveAtomically } from './atomic-file.ts';

const readBytes = 256 * 1024;
const emptyAboveBytes = 1024 * 1024;

/** Lines as they stand at the front of the queue, and where they end in the file. */
export interface TakenLines {
  lines: readonly string[];
  end: number;
}

/** A queue of text lines on disk: appended at one end, taken at the other, never held in memory whole. */
export interface LineLog {
  /** Appends lines without line breaks in them; durable when it resolves. */
  append(lines: readonly string[]): Promise<void>;
  /** The oldest lines not yet dropped, about 256 KB of them at most. */
  peek(maxLines: number): Promise<TakenLines>;
  /** Drops what the last `peek` gave. A crash soon after may bring lines back: whoever takes them is idempotent. */
  drop(taken: TakenLines): Promise<void>;
  /** Lines not yet dropped. */
  pending(): number;
  close(): Promise<void>;
}

/** Opens the log at `path` (its progress stands in `<path>.done`). A line torn by a crash is cut off. One user at a time. */
export async function openLineLog(path: string): Promise<LineLog> {
  const file = await open(path, 'a+', 0o600);
  try {
    return await DiskLineLog.open(path, file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

class DiskLineLog implements LineLog {
  readonly #path: string;
  readonly #file: FileHandle;
  #begin = 0;
  #end = 0;
  #pending = 0;
  #turn: Promise<void> = Promise.resolve();

  static async open(path: string, file: FileHandle): Promise<DiskLineLog> {
    const log = new DiskLineLog(path, file);
    const { size } = await file.stat();
    const done = Number((await readIfPresent(`${path}.done`)) ?? '0');
    log.#begin = Number.isSafeInteger(done) && done <= size ? done : 0;
    log.#end = log.#begin;
    for (;;) {
      const { text, end } = await log.#read(log.#end);
      if (end === log.#end) break;
      log.#pending += text.split('\n').length - 1;
      log.#end = end;
    }
    if (log.#end < size) await file.truncate(log.#end);
    return log;
  }

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  pending(): number {
    return this.#pending;
  }

  append(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return Promise.resolve();
    const bytes = Buffer.from(`${lines.join('\n')}\n`);
    return this.#inTurn(async () => {
      try {
        await this.#file.appendFile(bytes);
        await this.#file.datasync();
      } catch (error) {
        await this.#file.truncate(this.#end);
        throw error;
      }
      this.#end += bytes.length;
      this.#pending += lines.length;
    });
  }

  async peek(maxLines: number): Promise<TakenLines> {
    const { text } = await this.#read(this.#begin);
    const lines = text.split('\n').slice(0, -1).slice(0, maxLines);
    return { lines, end: lines.reduce((at, line) => at + Buffer.byteLength(line) + 1, this.#begin) };
  }

  drop(taken: TakenLines): Promise<void> {
    return this.#inTurn(async () => {
      this.#begin = taken.end;
      this.#pending -= taken.lines.length;
      if (this.#begin < this.#end || this.#end < emptyAboveBytes) {
        await saveAtomically(`${this.#path}.done`, String(this.#begin));
        return;
      }
      // Progress first: a crash between the two brings lines back, the other order would lose later ones.
      await saveAtomically(`${this.#path}.done`, '0');
      await this.#file.truncate(0);
      this.#begin = 0;
      this.#end = 0;
    });
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Appending and dropping never overlap: dropping may empty the file. */
  #inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(act, act);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Whole lines from `at`; `end` equals `at` where there are none. */
  async #read(at: number): Promise<{ text: string; end: number }> {
    const buffer = Buffer.allocUnsafe(readBytes);
    const { bytesRead } = await this.#file.read(buffer, 0, readBytes, at);
    const bytes = buffer.subarray(0, bytesRead).lastIndexOf(0x0a) + 1;
    return { text: buffer.toString('utf8', 0, bytes), end: at + bytes };
  }
}

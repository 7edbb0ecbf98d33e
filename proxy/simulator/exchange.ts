import type { ServerResponse } from 'node:http';
import { performance } from 'node:perf_hooks';
import { constants, createGzip, type Gzip } from 'node:zlib';

/** Most text that is gathered before it is written. */
const flushLength = 64 * 1024;

/**
 * The way out of one answer: gathers what is written until a flush, waits where the caller reads slowly, and wakes every
 * wait at once when the caller leaves.
 */
export class Exchange {
  readonly response: ServerResponse;
  readonly startedMs = performance.now();
  /** Called before anything that was gathered leaves. */
  onFlush: (() => void) | null = null;
  #gone = false;
  #wake: (() => void) | null = null;
  #pending = '';
  #gzip: Gzip | null = null;

  constructor(response: ServerResponse) {
    this.response = response;
    response.once('close', () => {
      this.#gone = true;
      this.#gzip?.destroy();
      this.#wake?.();
    });
  }

  /** Whether the caller left, or the answer is over. */
  get gone(): boolean {
    return this.#gone;
  }

  elapsedMs(): number {
    return performance.now() - this.startedMs;
  }

  /** Compresses everything from here on; the head must say so. */
  compress(): void {
    this.#gzip = createGzip();
    this.#gzip.pipe(this.response);
  }

  /** Resolves after that time, or as soon as the caller leaves. */
  async wait(ms: number): Promise<void> {
    if (this.#gone || ms <= 0) return;
    await this.#sleep((wake) => {
      const timer = setTimeout(wake, ms);
      return () => clearTimeout(timer);
    });
  }

  /** Gathers a text; resolves when there is room for more. */
  async write(text: string): Promise<void> {
    this.#pending += text;
    if (this.#pending.length >= flushLength) await this.flush();
  }

  /** Hands over what was gathered; resolves when there is room for more, or when the caller leaves. */
  async flush(): Promise<void> {
    const text = this.#pending;
    this.#pending = '';
    if (text === '' || this.#gone) return;
    this.onFlush?.();
    const out = this.#gzip ?? this.response;
    const room = out.write(text);
    this.#gzip?.flush(constants.Z_SYNC_FLUSH);
    if (room) return;
    await this.#sleep((wake) => {
      out.once('drain', wake);
      return () => out.off('drain', wake);
    });
  }

  /** Ends the answer with what was gathered. */
  end(): void {
    const text = this.#pending;
    this.#pending = '';
    if (this.#gone) return;
    this.onFlush?.();
    (this.#gzip ?? this.response).end(text);
  }

  /** Sends what was gathered and then breaks the connection. */
  async cut(): Promise<void> {
    await this.flush();
    if (!this.#gone) await new Promise<void>((resolve) => this.response.write('', () => resolve()));
    this.response.destroy();
  }

  async #sleep(start: (wake: () => void) => () => void): Promise<void> {
    if (this.#gone) return;
    await new Promise<void>((resolve) => {
      const stop = start(() => this.#wake?.());
      this.#wake = () => {
        this.#wake = null;
        stop();
        resolve();
      };
    });
  }
}

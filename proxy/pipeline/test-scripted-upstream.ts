import type { UpstreamExchange, UpstreamHead, UpstreamListener, UpstreamPort } from './ports.ts';

/** An answer in exactly these pieces: no kernel joins or tears them on the way. */
export interface Script {
  head: UpstreamHead;
  pieces: readonly Uint8Array[];
  /** Whether the event loop has its turn between two pieces; else they come in one go, as from one read of a socket. */
  pauses: boolean;
}

/** A provider that answers every request by the script of the moment, and heeds the brakes of whoever listens. */
export function scriptUpstream(): { port: UpstreamPort; play(script: Script): void } {
  let current: Script | null = null;
  return {
    port: {
      send(_, listener) {
        if (current === null) throw new Error('no script to play');
        return new Exchange(current, listener);
      },
    },
    play: (script) => {
      current = script;
    },
  };
}

class Exchange implements UpstreamExchange {
  readonly sent = true;
  readonly #script: Script;
  readonly #listener: UpstreamListener;
  #at = -1;
  #paused = false;
  #aborted = false;
  #due = false;

  constructor(script: Script, listener: UpstreamListener) {
    this.#script = script;
    this.#listener = listener;
    this.#later();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#later();
  }

  abort(): void {
    this.#aborted = true;
  }

  #later(): void {
    if (this.#due) return;
    this.#due = true;
    setImmediate(() => {
      this.#due = false;
      this.#play();
    });
  }

  #play(): void {
    const { head, pieces, pauses } = this.#script;
    while (!this.#paused && !this.#aborted && this.#at <= pieces.length) {
      const piece = pieces[this.#at];
      const isHead = this.#at === -1;
      this.#at += 1;
      if (isHead) this.#listener.onHead(head);
      else if (piece === undefined) this.#listener.onEnd();
      // A copy: whoever reads may keep it, as with what comes from a socket.
      else this.#listener.onData(Buffer.from(piece));
      if (pauses && this.#at <= pieces.length) {
        this.#later();
        return;
      }
    }
  }
}

/** The part of autocannon 9 that the load process uses; the package brings no types. */
declare module 'autocannon' {
  import type { EventEmitter } from 'node:events';

  /** One connection. It closes itself, with nothing under way, once `reqsMade` has reached `responseMax`. */
  interface Client {
    readonly reqsMade: number;
    responseMax: number | undefined;
  }

  interface Options {
    url: string;
    method: 'POST';
    headers: Record<string, string>;
    body: string;
    connections: number;
    duration: number;
    /** Ms between two looks at whether to stop. */
    sampleInt: number;
    timeout: number;
  }

  interface Result {
    errors: number;
    timeouts: number;
    non2xx: number;
  }

  interface Tracker extends EventEmitter {
    on(
      event: 'response',
      listener: (client: Client, statusCode: number, bytes: number, durationMs: number) => void,
    ): this;
  }

  type OnDone = (error: Error | null, result: Result) => void;

  // biome-ignore lint/style/noDefaultExport: the package exports its function so.
  export default function autocannon(options: Options, onDone: OnDone): Tracker;
}

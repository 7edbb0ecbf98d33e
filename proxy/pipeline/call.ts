/** One call as the server took it in: nothing decoded, nothing dropped. */
export interface InboundCall {
  method: string;
  /** Request target verbatim: path and query. */
  url: string;
  /** Header names and values alternating, as they came. */
  rawHeaders: readonly string[];
  /** Reads the body once; rejects with `request_invalid` when it is longer than `maxBytes` or breaks off. */
  readBody(maxBytes: number): Promise<Buffer>;
}

/** The caller's side of the connection. Node's ServerResponse fits it. */
export interface CallerAnswer {
  readonly destroyed: boolean;
  writeHead(status: number, statusText: string, headers: string[]): unknown;
  write(chunk: Uint8Array): boolean;
  end(chunk?: Uint8Array | string): unknown;
  /** `finish`: all of the answer was handed on. */
  once(event: 'drain' | 'close' | 'finish', listener: () => void): unknown;
  destroy(): unknown;
}

/** Most requests and most bytes of bodies that are kept; the oldest go first. */
const maxRequests = 1000;
const maxBytes = 64 * 1024 * 1024;

/** One request as it came in. */
export interface LoggedRequest {
  at: number;
  method: string;
  url: string;
  /** Names and values in the order and case in which they came. */
  rawHeaders: readonly string[];
  body: Buffer;
}

/** Keeps the newest requests in bounded memory, so that tests can compare bytes. */
export class RequestLog {
  readonly #requests: LoggedRequest[] = [];
  #bytes = 0;
  #count = 0;

  add(request: LoggedRequest): void {
    this.#count++;
    this.#requests.push(request);
    this.#bytes += request.body.length;
    while (this.#requests.length > maxRequests || (this.#bytes > maxBytes && this.#requests.length > 1)) {
      this.#bytes -= this.#requests.shift()?.body.length ?? 0;
    }
  }

  /** The newest `last` requests, oldest first, and how many there ever were. */
  tell(last: number): object {
    const requests = this.#requests.slice(-Math.max(1, last)).map((request) => ({
      at: request.at,
      method: request.method,
      url: request.url,
      headers: pairUp(request.rawHeaders),
      body_base64: request.body.toString('base64'),
    }));
    return { count: this.#count, requests };
  }

  reset(): void {
    this.#requests.length = 0;
    this.#bytes = 0;
    this.#count = 0;
  }
}

function pairUp(rawHeaders: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) pairs.push([rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '']);
  return pairs;
}

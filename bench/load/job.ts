/** What the load process is asked to do, one JSON line on its stdin. */
export interface LoadJob {
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string;
  connections: number;
  /** How long new requests are started; what is under way then is waited for. */
  seconds: number;
  /** Answers after which no further request is started, even before `seconds` are over; null for none. */
  enough: number | null;
}

/** What it answers, one JSON line on its stdout. Every request that was sent is in `answered` or in `failed`. */
export interface LoadResult {
  answered: number;
  /** Connection errors and time-outs. */
  failed: number;
  /** Answers with a status other than 2xx; they count as answered. */
  non2xx: number;
  rps: number;
  p50Ms: number;
  p99Ms: number;
}

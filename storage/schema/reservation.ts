/**
 * The contract between the pipeline, the limits engine (`policy/limits`, the specification) and the Redis script.
 * Amounts are integers up to 9e15 (nano-USD, requests or tokens by kind).
 */

/** How a counter forgets: never (concurrency), at fixed UTC boundaries, or through 60 rolling buckets. */
export type CounterWindow =
  | { align: 'none' }
  | { align: 'calendar'; unitMs: number }
  | { align: 'calendar'; months: number }
  | { align: 'rolling'; windowMs: number };

export interface ReservationItem {
  limitId: string;
  /** Counter key below the tenant's hash tag: limit id and subject, made by `policy/limits`. */
  key: string;
  amount: bigint;
  ceiling: bigint;
  /** Used plus reserved from which the counter counts as near; told once a window by `Reading.near`. */
  near: bigint;
  window: CounterWindow;
}

/**
 * A run that is open already is raised to the amounts of a further request and never lowered, and its expiry starts anew:
 * the same request twice is one reservation, a larger one tops it up. A top-up that does not fit is refused and leaves
 * the reservation as it was. In a window that has passed nothing is held any more: a run that takes more after that holds
 * all of it in the window of that moment.
 */
export interface ReserveRequest {
  tenant: string;
  runId: string;
  /** After this long without a settlement the reservation counts as spent at its reserved amount. */
  expiresInMs: number;
  /**
   * A top-up or renewal of a run that is under way: a grant that comes after its caller was told `down` stays, where that
   * of a new run is taken back.
   */
  raises?: true;
  items: readonly ReservationItem[];
}

/** A counter after the call: settled use, open reservations, and when the window next gives something back. */
export interface Reading {
  used: bigint;
  reserved: bigint;
  /** Ms until the window resets (calendar), or until the oldest bucket leaves (rolling); 0 for none. */
  resetsInMs: number;
  /** Whether this very call was the first of the window to bring the counter to its near mark. */
  near: boolean;
}

export type ReserveReply =
  | { kind: 'granted'; readings: readonly Reading[]; placed?: PlacedItems }
  /** `refused` is the index of the first item that does not fit; its reading is as the counter stood. Nothing was taken. */
  | { kind: 'refused'; refused: number; readings: readonly Reading[] }
  /** The run was settled for good by somebody who knew that its proxy is gone; it holds nothing, and nothing was changed. */
  | { kind: 'gone' }
  /** Redis did not answer in time, or its counters are not valid. */
  | { kind: 'down'; reason: string };

/**
 * Which items (by index) count in the window or bucket of the very call, and when that was, Unix ms by Redis. All of a run
 * that was not known; of one that was, those that began there or have moved there.
 */
export interface PlacedItems {
  atMs: number;
  items: readonly number[];
}

export interface SettleRequest {
  tenant: string;
  runId: string;
  /** What each item came to, by counter key; an item that is not listed settles at zero. */
  items: readonly { key: string; amount: bigint }[];
  /** Told from the run's record, not by its proxy: for a day all that its proxy asked or asks is answered `gone`, and settles nothing. */
  final?: true;
}

/**
 * A run that was admitted while Redis was away, and has ended: what it came to is charged above any ceiling, once, whoever
 * tells it and however often. A run that Redis does hold is settled at these amounts instead.
 */
export interface CountRequest {
  tenant: string;
  runId: string;
  /** Unix ms: it counts in the window of that instant, and nowhere where that has passed. */
  atMs: number;
  /** Each counter once. An item's own instant goes before that of the run. */
  items: readonly { key: string; window: CounterWindow; amount: bigint; atMs?: number }[];
}

/** An open reservation as its proxy knows it: what control writes back after Redis lost its counters. */
export interface OpenReservation {
  runId: string;
  /** When it was reserved, Unix ms: it counts in the window of that instant. */
  atMs: number;
  /** From `atMs` on, the last renewal included. */
  expiresInMs: number;
  /** `atMs` of an item is the instant since which it counts, where its run has outlived the window it began in. */
  items: readonly { key: string; window: CounterWindow; amount: bigint; atMs?: number }[];
}

/** What ends a reservation: of two of one run, the first. */
export type Ending = SettleRequest | CountRequest;

/** A run that was settled for good, until when that is remembered (Unix ms). */
export interface GoneRun {
  runId: string;
  untilMs: number;
}

/** What a proxy answers to a new counter epoch: the point in its spool is marked, and this is open across it. */
export interface MarkReport {
  proxyId: string;
  proxyEpoch: number;
  tenant: string;
  counterEpoch: string;
  /** `proxy_seq` of the last record before the mark: later records of this proxy epoch belong to the new counters. */
  lastSeq: number;
  open: readonly OpenReservation[];
}

/** One counter as control rebuilds it: what was used in each window or rolling bucket that is still open. */
export interface RebuiltCounter {
  key: string;
  window: CounterWindow;
  /** Unix ms within the window or bucket, and what was used there. */
  used: readonly { atMs: number; amount: bigint }[];
  /** When it was last told to be near, and the amount from which it counted as near. Absent: it is told anew. */
  near?: { atMs: number; amount: bigint };
}

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
  window: CounterWindow;
}

/**
 * A run that is open already is raised to the amounts of a further request and never lowered, and its expiry starts anew:
 * the same request twice is one reservation, a larger one tops it up. A top-up that does not fit is refused and leaves
 * the reservation as it was.
 */
export interface ReserveRequest {
  tenant: string;
  runId: string;
  /** After this long without a settlement the reservation counts as spent at its reserved amount. */
  expiresInMs: number;
  items: readonly ReservationItem[];
}

/** A counter after the call: settled use, open reservations, and when the window next gives something back. */
export interface Reading {
  used: bigint;
  reserved: bigint;
  /** Ms until the window resets (calendar), or until the oldest bucket leaves (rolling); 0 for none. */
  resetsInMs: number;
}

export type ReserveReply =
  | { kind: 'granted'; readings: readonly Reading[] }
  /** `refused` is the index of the first item that does not fit; its reading is as the counter stood. Nothing was taken. */
  | { kind: 'refused'; refused: number; readings: readonly Reading[] }
  /** Redis did not answer in time, or its counters are not valid. */
  | { kind: 'down'; reason: string };

export interface SettleRequest {
  tenant: string;
  runId: string;
  /** What each item came to, by counter key; an item that is not listed settles at zero. */
  items: readonly { key: string; amount: bigint }[];
}

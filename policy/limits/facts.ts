/** What limits know of a run. Absent is null; `actor` is written as callers write it: `user-a` or `service:x`. */
export interface LimitFacts {
  subTenant: string | null;
  keyId: string | null;
  keyName: string | null;
  actor: string | null;
  model: string | null;
  provider: string | null;
  route: string | null;
  tags: Readonly<Record<string, string>>;
}

/** The most the run may cost, as far as its facts and prices tell. */
export interface RunAmounts {
  /** Nano-USD; null where no bound is known. */
  worstCaseNanoUsd: bigint | null;
  /** Why `worstCaseNanoUsd` is missing or covers a part only; null where it bounds the cost. */
  unboundedReason: 'unpriced' | 'unbounded' | null;
}

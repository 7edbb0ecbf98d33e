/** What limits know of a run. Absent is null; `actor` is written as callers write it: `user-a` or `service:x`. */
export interface LimitFacts {
  subTenant: string | null;
  /** The run's own sub-tenant first, then its parent, up to the root; see `computeSubTenantPaths`. */
  subTenantPath: readonly string[];
  keyId: string | null;
  keyName: string | null;
  actor: string | null;
  model: string | null;
  provider: string | null;
  route: string | null;
  tags: Readonly<Record<string, string>>;
}

/** What a run takes, as far as its facts and prices tell. Money is nano-USD. */
export interface RunAmounts {
  /** Bound of the input. */
  inputTokens: bigint;
  /** To be reserved now: the cap of a whole answer, what a stream has and its next tranche; null: no bound is known. */
  outputTokens: bigint | null;
  /** What these tokens cost; null where there is no price or no bound. */
  costNanoUsd: bigint | null;
  /** Whether no price is known for the model. */
  unpriced: boolean;
  /** Whether the facts do not bound tokens and cost: remote media, stored content, server tools. */
  unbounded: boolean;
  /** For caps, which hold a run at what it is likely to take: output is the cap of a whole answer, 0 for a stream. */
  estimated: { inputTokens: bigint; outputTokens: bigint | null; costNanoUsd: bigint | null };
}

/** What a run has taken up to some moment, for its caps. */
export interface RunProgress {
  inputTokens: bigint;
  outputTokens: bigint;
  /** Nano-USD; null where no price is known. */
  costNanoUsd: bigint | null;
  elapsedMs: number;
}

import type { Verdict } from './run.ts';
import type { Sha256Hex } from './snapshot.ts';

/** A fact's value inside a context: no floats, no nested objects beyond string lists and string maps. */
export type FactValue = string | number | boolean | null | readonly string[] | Readonly<Record<string, string>>;

/**
 * Exactly the facts that a decision used. Canonical JSON of this object is what `context_digest` hashes and what replay
 * reads back; a fact that was named by a policy but absent stands as null in `facts` and in `missing`.
 */
export interface DecisionContext {
  v: 1;
  phase: 'identify' | 'request' | 'reserve' | 'admit' | 'response' | 'stream';
  /** The instant the decision used, Unix ms. Recorded, never read again. */
  at_ms: number;
  facts: Readonly<Record<string, FactValue>>;
  missing: readonly string[];
}

export interface PolicyMatch {
  policy: string;
  version: number;
  verdict: Verdict;
  reason: string;
  /** True where `on_error` and not the condition decided. */
  indeterminate: boolean;
}

/** A verdict with its single owner. */
export interface Decision {
  verdict: Verdict;
  /** `policy:<id>@<version>`, `limit:<id>`, `key:<public id>`, `capacity`, or null for a plain allow. */
  owner: string | null;
  reason: string;
  matched: readonly PolicyMatch[];
  shadow: readonly PolicyMatch[];
  modifications: readonly string[];
  tags: Readonly<Record<string, string>>;
}

/** What `decision_digest` hashes, as canonical JSON. */
export interface DecisionDigestInput {
  v: 1;
  context_digest: Sha256Hex;
  snapshot_id: Sha256Hex;
  engine_version: string;
  detector_version: string;
  verdict: Verdict;
  owner: string | null;
  reason: string;
  matched: readonly PolicyMatch[];
  modifications: readonly string[];
  shadow: readonly PolicyMatch[];
}

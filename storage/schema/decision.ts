import type { Verdict } from './run.ts';
import type { PolicyChange, Sha256Hex } from './snapshot.ts';

/** A long text (prompt, answer) as a context holds it. The text itself may be kept beside the context, under its digest. */
export interface TextFact {
  /**
   * SHA-256 of the text as UTF-8. Null where the text is not kept in full: to who knows or guesses all the rest of it, a digest would
   * tell what was taken out.
   */
  digest: Sha256Hex | null;
  /** UTF-16 units. */
  length: number;
}

/** A fact's value inside a context: no floats, no nested objects beyond string lists, string maps and digests of texts. */
export type FactValue =
  | string
  | number
  | boolean
  | null
  | readonly string[]
  | Readonly<Record<string, string>>
  | Readonly<TextFact>;

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
  /** Version of the detectors and scans whose outputs stand in `facts`; absent where there are none. */
  detectors?: string;
  /** Changes to the request or answer that were tried and could not be made, and why; absent where there are none. */
  failed_changes?: readonly { change: PolicyChange['change']; why: string }[];
}

export interface PolicyMatch {
  policy: string;
  version: number;
  verdict: Verdict;
  reason: string;
  /** True where `on_error` and not the condition decided. */
  indeterminate: boolean;
}

/** One change that a policy asked for, and whether it was made. */
export interface Modification {
  policy: string;
  version: number;
  change: PolicyChange['change'];
  /** What to: `500`, `gpt-4o-mini`, `email,iban`. Of the policy's author, never text of a caller. */
  detail: string;
  applied: boolean;
  /** Why it was not applied; null where it was. */
  why: string | null;
}

/** A verdict with its single owner. */
export interface Decision {
  verdict: Verdict;
  /** `policy:<id>@<version>`, `limit:<id>`, `key:<public id>`, `capacity`, or null for a plain allow. */
  owner: string | null;
  reason: string;
  matched: readonly PolicyMatch[];
  shadow: readonly PolicyMatch[];
  modifications: readonly Modification[];
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
  modifications: readonly Modification[];
  shadow: readonly PolicyMatch[];
}

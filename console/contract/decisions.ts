import { type Static, Type } from 'typebox';
import type { Decision, DecisionContext, FactValue, Modification } from '../../storage/schema/decision.ts';
import type { RunStatus, Stage, Verdict } from '../../storage/schema/run.ts';
import type { PolicyMode } from '../../storage/schema/snapshot.ts';

/** What was decided in one phase of a run, with its digests. The salt of its commitment stands with it, or on the run. */
export interface ShownDecision {
  context: DecisionContext;
  context_digest: string | null;
  decision: Decision;
  decision_digest: string | null;
  salt?: string;
}

/** A fact that a condition read. `unreadable`: too long or ill-formed, it stands as a digest. */
export interface ExplainedFact {
  name: string;
  state: 'known' | 'missing' | 'unreadable';
  value: FactValue;
  unit: string | null;
}

/** One part of a condition, what it says in words, what it came to (null: open), and the facts or parts that made it so. */
export interface ExplainedPart {
  /** Place below the policy, e.g. `when.and[0].>`. */
  place: string;
  words: string;
  truth: boolean | null;
  facts: readonly ExplainedFact[];
  parts: readonly ExplainedPart[];
}

/** What one policy came to. `open`: it could not be decided; `unapplied`: a change could not be made; in both `on_error` counted. */
export interface ExplainedPolicy {
  policy: string;
  version: number;
  mode: PolicyMode;
  outcome: 'matched' | 'open' | 'unapplied' | 'not_matched' | 'out_of_scope';
  /** The verdict it gave, in shadow too; null where it gave none. */
  verdict: Verdict | null;
  reason: string;
  is_owner: boolean;
  condition: ExplainedPart;
}

/**
 * One phase of a run. `no_policies`: a limit or a stage decided, not policies; `erased`: what it was decided on is gone;
 * `snapshot_unknown`: control does not have the policies that decided.
 */
export interface ExplainedPhase {
  /** For a run that was refused before any decision, the stage that refused it; null where it is not known any more. */
  phase: DecisionContext['phase'] | Stage | null;
  state: 'explained' | 'no_policies' | 'erased' | 'snapshot_unknown';
  verdict: Verdict;
  decided_by: string | null;
  reason: string;
  decision_digest: string | null;
  /** Whether the recorded context has its recorded digest; false: one of them was altered. Null: there is none. */
  context_holds: boolean | null;
  /** Whether the recorded decision has its recorded digest under this version of the engine. Null: there is none. */
  decision_holds: boolean | null;
  context: DecisionContext | null;
  policies: readonly ExplainedPolicy[];
  modifications: readonly Modification[];
  tags: Readonly<Record<string, string>>;
  /** All of it in plain words, a line each, parts indented below what they belong to. */
  words: readonly string[];
}

/** Why a run was decided as it was. */
export interface ExplainedRun {
  run_id: string;
  tenant: string | null;
  status: RunStatus;
  verdict: Verdict;
  decided_by: string | null;
  refusal_code: string | null;
  snapshot_id: string | null;
  /** In the order of phases. */
  phases: readonly ExplainedPhase[];
}

export const secondOpinionQuerySchema = Type.Object(
  {
    tenant: Type.Optional(Type.String({ maxLength: 63 })),
    /** Only runs that began then or later, Unix ms. */
    since_ms: Type.Integer({ minimum: 0 }),
    /** Most runs of the page. */
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200 })),
    cursor: Type.Optional(Type.String({ maxLength: 100 })),
  },
  { additionalProperties: false },
);
export type SecondOpinionQuery = Static<typeof secondOpinionQuerySchema>;

/** One place where a recorded run is not confirmed. */
export interface DifferingDecision {
  run_id: string;
  phase: DecisionContext['phase'];
  /** `condition`: both engines differ on it; `decision`: deciding again came to another one; `context`: it has not its digest. */
  what: 'condition' | 'decision' | 'context';
  /** `id@version` of a condition's policy. */
  policy: string | null;
  ours: string;
  theirs: string;
}

/** What asking again came to, on one page of recorded runs. Reasons are closed sentences. */
export interface SecondOpinionPage {
  runs: number;
  /** Decisions of policies, one a phase. */
  decisions: number;
  /** Conditions in scope, by what json-logic-js says of them. */
  conditions: { same: number; different: number; not_supported: Readonly<Record<string, number>> };
  /**
   * Decisions that were made again from the recorded context and documents: `exact` have the recorded digest,
   * `same` the recorded content under another version of the engine.
   */
  decided_again: { exact: number; same: number; different: number; not_possible: Readonly<Record<string, number>> };
  differing: readonly DifferingDecision[];
  /** Cursor of the page after; null at the end. */
  next: string | null;
}

import type { Decision, DecisionContext } from '../../storage/schema/decision.ts';
import { canonicalJson, decisionDigest, sha256Hex } from '../evidence/index.ts';
import { engineVersion } from './engine.ts';

/** A decision with the context it was made on and both digests. */
export interface DecisionRecord {
  decision: Decision;
  context: DecisionContext;
  /** Canonical JSON of the context: what its digest and its commitment are taken over. */
  contextJson: string;
  contextDigest: string;
  decisionDigest: string;
}

/** Binds a decision to its context and snapshot by their digests. */
export function recordDecision(snapshotId: string, decision: Decision, context: DecisionContext): DecisionRecord {
  const contextJson = canonicalJson(context);
  const digest = sha256Hex(contextJson);
  return {
    decision,
    context,
    contextJson,
    contextDigest: digest,
    decisionDigest: decisionDigest({
      v: 1,
      context_digest: digest,
      snapshot_id: snapshotId,
      engine_version: engineVersion,
      detector_version: context.detectors ?? 'none',
      verdict: decision.verdict,
      owner: decision.owner,
      reason: decision.reason,
      matched: decision.matched,
      modifications: decision.modifications,
      shadow: decision.shadow,
    }),
  };
}

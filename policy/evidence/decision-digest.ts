import type { DecisionDigestInput } from '../../storage/schema/decision.ts';
import type { Sha256Hex } from '../../storage/schema/snapshot.ts';
import { canonicalJson } from './canonical-json.ts';
import { sha256Hex } from './digest.ts';

/**
 * SHA-256 over the canonical JSON of what a decision rests on and came to. Exactly the fields of `DecisionDigestInput` enter,
 * so that an object that carries more (the tags of a `Decision`) has the same digest.
 */
export function decisionDigest(input: DecisionDigestInput): Sha256Hex {
  const hashed: DecisionDigestInput = {
    v: input.v,
    context_digest: input.context_digest,
    snapshot_id: input.snapshot_id,
    engine_version: input.engine_version,
    detector_version: input.detector_version,
    verdict: input.verdict,
    owner: input.owner,
    reason: input.reason,
    matched: input.matched,
    modifications: input.modifications,
    shadow: input.shadow,
  };
  return sha256Hex(canonicalJson(hashed));
}

/** Id of what a run was decided with: SHA-256 of canonical `{policy, keys, prices}`, each the id of a document. */
export function snapshotId(documents: { policy: Sha256Hex; keys: Sha256Hex; prices: Sha256Hex }): Sha256Hex {
  const { policy, keys, prices } = documents;
  return sha256Hex(canonicalJson({ policy, keys, prices }));
}

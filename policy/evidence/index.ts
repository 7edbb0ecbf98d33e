export { canonicalJson } from './canonical-json.ts';
export { decisionDigest, snapshotId } from './decision-digest.ts';
export { commit, leafHash, sha256Hex } from './digest.ts';
export { merkleRoot } from './merkle.ts';

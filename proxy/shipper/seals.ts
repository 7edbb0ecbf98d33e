import { merkleRoot } from '../../policy/evidence/index.ts';
import type { BatchSeal } from '../../storage/schema/audit.ts';

/** What a seal takes of a record. */
export interface Leaf {
  tenant: string;
  proxy_id: string;
  proxy_epoch: number;
  proxy_seq: number;
  leaf_hash: string;
}

/**
 * One seal for each tenant of a batch: the RFC 6962 root over its leaf hashes in the order of sequence. Tenants come sorted,
 * so that the same records always give the same seals. The records are of one recorder and epoch.
 */
export function sealBatch(batchId: string, leaves: readonly Leaf[]): BatchSeal[] {
  const byTenant = new Map<string, Leaf[]>();
  for (const leaf of leaves) {
    const own = byTenant.get(leaf.tenant);
    if (own === undefined) byTenant.set(leaf.tenant, [leaf]);
    else own.push(leaf);
  }
  return [...byTenant.keys()].sort().flatMap((tenant) => {
    const own = (byTenant.get(tenant) ?? []).toSorted((a, b) => a.proxy_seq - b.proxy_seq);
    const [first, last] = [own[0], own.at(-1)];
    if (first === undefined || last === undefined) return [];
    return {
      batch_id: batchId,
      tenant,
      proxy_id: first.proxy_id,
      proxy_epoch: first.proxy_epoch,
      first_seq: first.proxy_seq,
      last_seq: last.proxy_seq,
      leaves: own.length,
      root: merkleRoot(own.map((leaf) => leaf.leaf_hash)),
    };
  });
}

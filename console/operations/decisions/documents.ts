import { sha256Hex, snapshotId } from '../../../policy/evidence/index.ts';
import type { PolicyDocument } from '../../../storage/schema/snapshot.ts';
import type { ControlContext } from '../context.ts';

/**
 * The policy document of the snapshot that a run of this tenant names, whichever manifest brought it; null where control has
 * none, where it is another tenant's, and where what it has is not what the ids say.
 */
export async function readPolicyDocument(
  context: ControlContext,
  named: { tenant: string | null; snapshot_id: string | null },
): Promise<PolicyDocument | null> {
  const id = named.snapshot_id;
  if (id === null) return null;
  return context.store.transaction(async (tx) => {
    const snapshot = await tx.readSnapshot(id);
    if (snapshot === null || snapshot.tenant !== named.tenant || snapshotId(snapshot) !== id) return null;
    const bytes = await tx.readDocument(snapshot.policy);
    if (bytes === null || sha256Hex(bytes) !== snapshot.policy) return null;
    return JSON.parse(bytes.toString('utf8')) as PolicyDocument;
  });
}

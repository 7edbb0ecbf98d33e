import type { BatchSeal } from '../../storage/schema/audit.ts';
import type { Principal } from '../../storage/schema/control.ts';
import { HocError } from '../../storage/schema/errors.ts';
import { type Act, appendAudit } from './audit.ts';
import type { ControlContext } from './context.ts';

function describeSeal(seal: BatchSeal): Act {
  const { tenant, ...facts } = seal;
  return { tenant, act: 'batch.seal', objectType: 'batch', objectId: seal.batch_id, before: null, after: null, facts };
}

/**
 * Puts the sub-roots of shipped batches on record: each becomes one entry of its tenant's log, so that one chain covers
 * traffic and changes. Posting a seal again changes nothing; posting another one under the same batch and tenant is a
 * `conflict`, and then none of the call's seals is taken.
 */
export async function sealBatches(
  context: ControlContext,
  principal: Principal,
  seals: readonly BatchSeal[],
): Promise<{ added: number; known: number }> {
  const acts = await context.store.transaction(async (tx) => {
    const added: Act[] = [];
    for (const seal of [...seals].sort(compareSeals)) {
      const stored = await tx.insertBatchSeal({ ...seal, at_ms: context.now() });
      if (stored.added) added.push(describeSeal(seal));
      else if (!isSameSeal(stored.row, seal)) {
        throw new HocError({
          code: 'conflict',
          publicMessage: `Batch ${seal.batch_id} is sealed with another root already`,
        });
      }
    }
    await appendAudit(tx, context, { principal, acts: added });
    return added;
  });
  for (const act of acts) context.metrics.auditAppended(act.act, 1);
  return { added: acts.length, known: seals.length - acts.length };
}

/** One order for all callers, so that two of them never wait for each other. */
function compareSeals(a: BatchSeal, b: BatchSeal): number {
  if (a.tenant !== b.tenant) return a.tenant < b.tenant ? -1 : 1;
  return a.batch_id < b.batch_id ? -1 : 1;
}

function isSameSeal(stored: BatchSeal, seal: BatchSeal): boolean {
  return (
    stored.root === seal.root &&
    stored.leaves === seal.leaves &&
    stored.proxy_id === seal.proxy_id &&
    stored.proxy_epoch === seal.proxy_epoch &&
    stored.first_seq === seal.first_seq &&
    stored.last_seq === seal.last_seq
  );
}

import type { ManifestRow, Principal } from '../../storage/schema/control.ts';
import { type Act, appendAudit } from './audit.ts';
import type { ControlContext } from './context.ts';
import type { ControlTransaction } from './ports.ts';
import { announceManifest } from './snapshot/announce.ts';
import { issueManifest } from './snapshot/issue.ts';

/** What a piece of work did, for the parts of a change that are the same everywhere. */
export interface Work<Result> {
  result: Result;
  acts: readonly Act[];
  /** Tenants whose documents have to be built again. */
  touched: Iterable<string>;
}

/**
 * The one way to change anything: one transaction in which the work is done, the snapshot is issued anew where it differs,
 * and every act gets its audit entry; then, once it stands, proxies hear of the new manifest.
 *
 * Changes run one after the other, under the snapshot's lock. Throws what the work throws, and then nothing has changed.
 * Proxies that cannot be told poll: a failure to announce is retried as a job and never fails the change.
 */
export async function change<Result>(
  context: ControlContext,
  principal: Principal,
  work: (tx: ControlTransaction) => Promise<Work<Result>>,
): Promise<{ result: Result; manifest: ManifestRow }> {
  const done = await context.store.transaction(async (tx) => {
    await tx.lockSnapshot();
    const { result, acts, touched } = await work(tx);
    const { manifest, issued, act } = await issueManifest(tx, context, touched);
    const all = act === null ? acts : [...acts, act];
    await appendAudit(tx, context, { principal, acts: all });
    return { result, manifest, issued, acts: all };
  });
  for (const act of done.acts) context.metrics.auditAppended(act.act, 1);
  context.metrics.manifestIssued(done.manifest.sequence);
  if (done.issued) await announceManifest(context, done.manifest.id);
  return { result: done.result, manifest: done.manifest };
}

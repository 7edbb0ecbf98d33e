import { HocError } from '../../../storage/schema/errors.ts';
import type { SignedManifest } from '../../../storage/schema/snapshot.ts';
import type { ControlContext } from '../context.ts';

/** The manifest in force, in its exact signed bytes. Throws `not_ready` before the first. */
export async function readManifest(context: ControlContext): Promise<SignedManifest> {
  const row = await context.store.transaction((tx) => tx.readLatestManifest());
  if (row === null) throw new HocError({ code: 'not_ready', publicMessage: 'There is no manifest yet' });
  return { id: row.id, manifest: row.bytes.toString('utf8'), signature: row.signature };
}

/** The exact canonical bytes of a document. Throws `not_found`. */
export async function readDocument(context: ControlContext, sha256: string): Promise<Buffer> {
  const bytes = await context.store.transaction((tx) => tx.readDocument(sha256));
  if (bytes === null) throw new HocError({ code: 'not_found', publicMessage: 'There is no document of that digest' });
  return bytes;
}

import { sql } from 'kysely';
import type { DocumentRow, ManifestRow, SnapshotRow } from '../schema/control.ts';
import type { Executor } from './connect.ts';

const snapshotLock = 4_706_072;
/** A statement holds 65,535 values. */
const rowsPerStatement = 5_000;

/** Waits for every other change of the snapshot to commit, and holds them off until this transaction ends. */
export async function lockSnapshot(db: Executor): Promise<void> {
  await sql`select pg_advisory_xact_lock(${snapshotLock})`.execute(db);
}

/** Stores documents; one that is stored already (same digest, so same bytes) is left as it is. */
export async function saveDocument(db: Executor, row: DocumentRow): Promise<void> {
  await db
    .insertInto('documents')
    .values(row)
    .onConflict((clash) => clash.column('sha256').doNothing())
    .execute();
}

/** The exact bytes of a document, or null. */
export async function readDocument(db: Executor, sha256: string): Promise<Buffer | null> {
  const row = await db.selectFrom('documents').select('bytes').where('sha256', '=', sha256).executeTakeFirst();
  return row?.bytes ?? null;
}

/** The manifest in force: the one with the highest sequence, or null before the first. */
export async function readLatestManifest(db: Executor): Promise<ManifestRow | null> {
  const newest = db.selectFrom('manifests').selectAll().orderBy('sequence', 'desc').limit(1);
  return (await newest.executeTakeFirst()) ?? null;
}

/** Adds a manifest; its sequence must be new. */
export async function insertManifest(db: Executor, row: ManifestRow): Promise<void> {
  await db.insertInto('manifests').values(row).execute();
}

/** Stores what snapshot ids stand for; ids that are there already are left as they are. */
export async function saveSnapshots(db: Executor, rows: readonly SnapshotRow[]): Promise<void> {
  for (let at = 0; at < rows.length; at += rowsPerStatement) {
    await db
      .insertInto('snapshots')
      .values(rows.slice(at, at + rowsPerStatement))
      .onConflict((clash) => clash.column('id').doNothing())
      .execute();
  }
}

/** What a snapshot id stands for, or null where no manifest ever brought it. */
export async function readSnapshot(db: Executor, id: string): Promise<SnapshotRow | null> {
  return (await db.selectFrom('snapshots').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
}

import type { AcknowledgementRow } from '../schema/control.ts';
import type { Executor } from './connect.ts';

/** What people have acknowledged, the last of each finding. */
export async function readAcknowledgements(db: Executor): Promise<AcknowledgementRow[]> {
  return db.selectFrom('acknowledgements').selectAll().orderBy('finding').execute();
}

/** Stores an acknowledgement in the place of the one before of the same finding. */
export async function saveAcknowledgement(db: Executor, row: AcknowledgementRow): Promise<void> {
  const { finding: _finding, ...set } = row;
  await db
    .insertInto('acknowledgements')
    .values(row)
    .onConflict((clash) => clash.column('finding').doUpdateSet(set))
    .execute();
}

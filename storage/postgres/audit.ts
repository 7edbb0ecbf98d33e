import { sql } from 'kysely';
import type { AuditEntryRow, AuditOpenValuesRow, BatchSealRow } from '../schema/control.ts';
import type { Executor } from './connect.ts';

const chunkRows = 1_000;

/**
 * Takes the next `count` sequences of a log and returns the first. The log's row stays locked until the transaction
 * ends, and a rollback gives the sequences back: that is why the log has no gap.
 */
export async function takeAuditSequences(db: Executor, tenant: string, count: number): Promise<number> {
  const row = await db
    .insertInto('audit_heads')
    .values({ tenant, sequence: count })
    .onConflict((clash) => clash.column('tenant').doUpdateSet({ sequence: sql`audit_heads.sequence + ${count}` }))
    .returning('sequence')
    .executeTakeFirstOrThrow();
  return row.sequence - count + 1;
}

/** Appends entries and their erasable sides. */
export async function insertAuditEntries(
  db: Executor,
  entries: readonly AuditEntryRow[],
  openValues: readonly AuditOpenValuesRow[],
): Promise<void> {
  for (let start = 0; start < entries.length; start += chunkRows) {
    await db
      .insertInto('audit_entries')
      .values(entries.slice(start, start + chunkRows))
      .execute();
    await db
      .insertInto('audit_open_values')
      .values(openValues.slice(start, start + chunkRows))
      .execute();
  }
}

/** Entries of one log from a sequence on, in order. */
export async function readAuditEntries(
  db: Executor,
  tenant: string,
  page: { from: number; limit: number },
): Promise<AuditEntryRow[]> {
  return db
    .selectFrom('audit_entries')
    .selectAll()
    .where('tenant', '=', tenant)
    .where('sequence', '>=', page.from)
    .orderBy('sequence')
    .limit(page.limit)
    .execute();
}

/** The last sequence of every log, by tenant. */
export async function readAuditHeads(db: Executor): Promise<{ tenant: string; sequence: number }[]> {
  return db.selectFrom('audit_heads').selectAll().orderBy('tenant').execute();
}

/** Logs whose number of stored entries differs from their last sequence: each is a hole. */
export async function readAuditHoles(db: Executor): Promise<{ tenant: string; sequence: number; entries: number }[]> {
  const counted = await sql<{ tenant: string; sequence: number; entries: number }>`
    select heads.tenant, heads.sequence, count(entries.sequence) as entries
    from audit_heads heads left join audit_entries entries on entries.tenant = heads.tenant
    group by heads.tenant, heads.sequence
    having count(entries.sequence) <> heads.sequence
    order by heads.tenant`.execute(db);
  return counted.rows;
}

/** Stores a seal unless its batch and tenant are stored; returns the row that stands. */
export async function insertBatchSeal(db: Executor, row: BatchSealRow): Promise<{ added: boolean; row: BatchSealRow }> {
  const added = await db
    .insertInto('batch_seals')
    .values(row)
    .onConflict((clash) => clash.columns(['batch_id', 'tenant']).doNothing())
    .returningAll()
    .executeTakeFirst();
  if (added !== undefined) return { added: true, row: added };
  const standing = await db
    .selectFrom('batch_seals')
    .selectAll()
    .where('batch_id', '=', row.batch_id)
    .where('tenant', '=', row.tenant)
    .executeTakeFirstOrThrow();
  return { added: false, row: standing };
}

import { HocError } from '../../storage/schema/errors.ts';
import type { Batch } from '../../storage/schema/rows.ts';
import type { InsertBatch } from './ports.ts';

/**
 * Inserts a batch of which ClickHouse can store everything but what no retry could store (`input_invalid`): the batch is
 * halved until such rows stand alone, and those are left out and counted by `onRefused`. Otherwise one bad value would hold
 * back all that follows it for ever; the record's own bytes are a row of their own and are shipped all the same.
 *
 * The halves have ids made from the batch's, so that this comes to the same however often it is tried. Rejects as `insert`
 * does for every other reason.
 */
export async function insertAllButRefused(
  insert: InsertBatch,
  batch: Batch,
  onRefused: (rows: number) => void,
): Promise<void> {
  const rows = batch.records.length + batch.runs.length + batch.payloads.length;
  if (rows === 0) return;
  try {
    await insert(batch);
  } catch (error) {
    if (!(error instanceof HocError) || error.code !== 'input_invalid') throw error;
    if (rows === 1) return onRefused(1);
    const [left, right] = halve(batch);
    await insertAllButRefused(insert, left, onRefused);
    await insertAllButRefused(insert, right, onRefused);
  }
}

/** Two batches that together hold what `batch` holds, neither of them all of it where it has two rows or more. */
function halve(batch: Batch): [Batch, Batch] {
  const { id, records, runs, payloads } = batch;
  const only = { records: [], runs: [], payloads: [] };
  const kinds = [records, runs, payloads].filter((rows) => rows.length > 0).length;
  if (kinds > 1) {
    if (records.length > 0)
      return [
        { ...only, id: `${id}.a`, records },
        { id: `${id}.b`, records: [], runs, payloads },
      ];
    return [
      { ...only, id: `${id}.a`, runs },
      { ...only, id: `${id}.b`, payloads },
    ];
  }
  const cut = <T>(rows: readonly T[]): [readonly T[], readonly T[]] => {
    const middle = Math.ceil(rows.length / 2);
    return [rows.slice(0, middle), rows.slice(middle)];
  };
  const [records1, records2] = cut(records);
  const [runs1, runs2] = cut(runs);
  const [payloads1, payloads2] = cut(payloads);
  return [
    { id: `${id}.a`, records: records1, runs: runs1, payloads: payloads1 },
    { id: `${id}.b`, records: records2, runs: runs2, payloads: payloads2 },
  ];
}

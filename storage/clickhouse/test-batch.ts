import type { Batch } from '../schema/rows.ts';
import type { ClickHouse } from './connection.ts';
import { selectRows } from './select.ts';
import { testIntent, testRecord, testRun } from './test-rows.ts';

/** Tables that an insert of a batch fills, in its order. For tests. */
export const batchTables = ['records', 'payloads', 'runs', 'run_touches'];

/** A batch of finished runs with their intents, records and payloads of that size. For tests. */
export function makeBatch(id: string, count: number, bodyBytes: number): Batch {
  const runs = Array.from({ length: count }, () => testRun());
  const types = { part: 'request' as const, content_type: 'text/plain', content_encoding: null };
  return {
    id,
    records: runs.map((run) => testRecord(run, { proxy_id: id })),
    runs: runs.flatMap((run) => [testIntent(run), run]),
    payloads: runs.map((run) => ({
      ...types,
      run_id: run.run_id,
      tenant: run.tenant ?? '',
      whole_bytes: bodyBytes,
      stored_bytes: bodyBytes,
      body: Buffer.alloc(bodyBytes, run.run_id),
    })),
  };
}

/** Rows of a batch by table: as they are stored, and once each. For tests. */
export async function countBatch(ch: ClickHouse, batch: string): Promise<{ stored: number[]; once: number[] }> {
  const parameters = { batch };
  const count = (final: string) =>
    batchTables.map((table) => `(SELECT count() FROM ${table} ${final} WHERE batch_id = {batch:String})`);
  const [row] = await selectRows(ch, { sql: `SELECT ${[...count(''), ...count('FINAL')].join(', ')}`, parameters });
  const all = (row ?? []).map(Number);
  return { stored: all.slice(0, batchTables.length), once: all.slice(batchTables.length) };
}

/** What `countBatch` says of a whole batch of so many runs that is stored once. For tests. */
export function onceEach(count: number): { stored: number[]; once: number[] } {
  const each = [count, count, count, 1];
  return { stored: each, once: each };
}

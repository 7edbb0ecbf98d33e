import { Readable } from 'node:stream';
import type { Batch, PayloadRow, RecordRow, RunVersionRow } from '../schema/rows.ts';
import { instant, nullable, text } from './codecs.ts';
import type { ClickHouse } from './connection.ts';
import { guard } from './failure.ts';
import { RowBinaryWriter } from './row-binary.ts';
import { runColumnNames, writeRun } from './run-columns.ts';

const tokenText = /^[\w.:-]{1,200}$/;
const word = nullable(text());

const recordColumns = 'tenant, proxy_id, proxy_epoch, proxy_seq, kind, run_id, at_ms, raw, leaf_hash, batch_id';
const payloadColumns =
  'tenant, run_id, part, content_type, content_encoding, whole_bytes, stored_bytes, redacted, body, batch_id';

/**
 * Inserts a batch and resolves when ClickHouse has it on disk. Records come before runs, so that a run that can be listed
 * has its proof and its payloads; what makes the rollups take them up comes behind runs.
 *
 * A retry under the same id, with the same rows, adds nothing: each table's insert carries a deduplication token made of
 * the id, and rows beyond that window still collapse by their sorting key. Never asynchronous on the engine's side.
 * Rejects with HocError `engine_unavailable` when it was not acknowledged (some of it may be stored: retry the same
 * batch), and with `input_invalid` for values that no retry can store.
 */
export async function insertBatch(ch: ClickHouse, batch: Batch): Promise<void> {
  if (!tokenText.test(batch.id)) throw new TypeError('A batch id has letters, digits, and _ . : - alone');
  await insertRows(ch, {
    table: 'records',
    columns: recordColumns,
    batch: batch.id,
    rows: batch.records,
    write: writeRecord,
  });
  await insertRows(ch, {
    table: 'payloads',
    columns: payloadColumns,
    batch: batch.id,
    rows: batch.payloads,
    write: writePayload,
  });
  const columns = `${runColumnNames.join(', ')}, batch_id`;
  await insertRows(ch, { table: 'runs', columns, batch: batch.id, rows: batch.runs, write: writeRunOfBatch });
  await insertRows(ch, {
    table: 'run_touches',
    columns: 'batch_id, done, minutes',
    batch: batch.id,
    rows: touchOf(batch),
    write: writeTouch,
  });
}

/** The minutes whose rollups the ended runs of a batch change. Runs are on disk before it is: who reads it finds them. */
function touchOf(batch: Batch): readonly (readonly number[])[] {
  const minutes = new Set<number>();
  for (const run of batch.runs) if (run.version >= 2) minutes.add(Math.floor(run.started_at / 60_000));
  return minutes.size === 0 ? [] : [[...minutes]];
}

function writeTouch(writer: RowBinaryWriter, minutes: readonly number[], batchId: string): void {
  writer.text(batchId);
  writer.byte(0);
  writer.varint(minutes.length);
  for (const minute of minutes) writer.unsigned(minute, 4);
}

interface TableInsert<Row> {
  table: string;
  columns: string;
  batch: string;
  rows: readonly Row[];
  write(writer: RowBinaryWriter, row: Row, batchId: string): void;
}

async function insertRows<Row>(ch: ClickHouse, insert: TableInsert<Row>): Promise<void> {
  if (insert.rows.length === 0) return;
  const writer = new RowBinaryWriter();
  for (const row of insert.rows) insert.write(writer, row, insert.batch);
  const token = `${insert.batch}:${insert.table}`;
  const settings = `async_insert = 0, insert_deduplicate = 1, insert_deduplication_token = '${token}'`;
  const query = `INSERT INTO ${insert.table} (${insert.columns}) SETTINGS ${settings} FORMAT RowBinary`;
  const values = new Readable({ read() {} });
  values.push(writer.bytes());
  values.push(null);
  await guard(ch, async () => {
    const answer = await ch.client.exec({ query, values });
    for await (const _ of answer.stream);
  });
}

function writeRecord(writer: RowBinaryWriter, row: RecordRow, batchId: string): void {
  writer.text(row.tenant);
  writer.text(row.proxy_id);
  writer.unsigned(row.proxy_epoch, 4);
  writer.natural(row.proxy_seq);
  writer.text(row.kind);
  writer.text(row.run_id ?? '');
  instant.write(writer, row.at_ms);
  writer.text(row.raw);
  writer.fixed(row.leaf_hash, 64);
  writer.text(batchId);
}

function writePayload(writer: RowBinaryWriter, row: PayloadRow, batchId: string): void {
  writer.text(row.tenant);
  writer.text(row.run_id);
  writer.text(row.part);
  word.write(writer, row.content_type);
  word.write(writer, row.content_encoding);
  writer.natural(row.whole_bytes);
  writer.natural(row.stored_bytes);
  writer.byte(row.redacted === true ? 1 : 0);
  writer.blob(row.body);
  writer.text(batchId);
}

function writeRunOfBatch(writer: RowBinaryWriter, row: RunVersionRow, batchId: string): void {
  writeRun(writer, row);
  writer.text(batchId);
}

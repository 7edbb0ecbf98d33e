import type { RunVersionRow } from '../schema/rows.ts';
import type { LimitCharge, RunEvent } from '../schema/run.ts';
import type { Codec } from './codecs.ts';
import {
  boolean,
  float64,
  instant,
  int64,
  money,
  nullable,
  tenantText,
  text,
  textMap,
  texts,
  uint16,
  uint32,
  uint64,
} from './codecs.ts';
import type { RowBinaryWriter } from './row-binary.ts';
import type { SelectedRow } from './select.ts';

interface RunColumn {
  /** Columns of the table, in the order `write` writes them. */
  names: readonly string[];
  select: string;
  write(writer: RowBinaryWriter, row: RunVersionRow): void;
  read(into: Record<string, unknown>, value: unknown): void;
}

function column<K extends keyof RunVersionRow & string>(key: K, codec: Codec<RunVersionRow[K]>): RunColumn {
  return {
    names: [key],
    select: codec.select?.(key) ?? key,
    write: (writer, row) => codec.write(writer, row[key]),
    read(into, value) {
      into[key] = codec.read(value);
    },
  };
}

const version: Codec<RunVersionRow['version']> = {
  write: (writer, value) => writer.byte(value),
  read: (value) => Number(value) as RunVersionRow['version'],
};

/** Three arrays of one length, so that the stages of all runs compress together. */
const events: RunColumn = {
  names: ['`events.stage`', '`events.at_us`', '`events.detail`'],
  select: 'arrayZip(`events.stage`, `events.at_us`, `events.detail`)',
  write(writer, row) {
    writer.varint(row.events.length);
    for (const event of row.events) writer.text(event.stage);
    writer.varint(row.events.length);
    for (const event of row.events) writer.natural(event.at_us);
    writer.varint(row.events.length);
    for (const event of row.events) writer.text(event.detail);
  },
  read(into, value) {
    const triples = value as readonly [RunEvent['stage'], string, string][];
    into.events = triples.map(([stage, atUs, detail]): RunEvent => ({ stage, at_us: Number(atUs), detail }));
  },
};

/** One array a field, as for events. Parts from before these columns hold none. */
const limits: RunColumn = {
  names: ['id', 'reserved', 'settled', 'taken', 'ceiling', 'near', 'since_ms'].map((name) => `\`limits.${name}\``),
  select:
    'arrayZip(`limits.id`, `limits.reserved`, `limits.settled`, `limits.taken`, `limits.ceiling`, `limits.near`, `limits.since_ms`)',
  write(writer, row) {
    const each = <T>(codec: Codec<T>, pick: (charge: LimitCharge) => T): void => {
      writer.varint(row.limits.length);
      for (const charge of row.limits) codec.write(writer, pick(charge));
    };
    each(text(), (charge) => charge.id);
    each(money, (charge) => charge.reserved);
    each(money, (charge) => charge.settled);
    each(nullable(money), (charge) => charge.taken);
    each(money, (charge) => charge.ceiling);
    each(boolean, (charge) => charge.near);
    each(int64, (charge) => charge.since_ms ?? 0);
  },
  read(into, value) {
    const charges = value as readonly [string, string, string, string | null, string, boolean, string][];
    into.limits = charges.map(
      ([id, reserved, settled, taken, ceiling, near, since]): LimitCharge => ({
        ...{ id, reserved, settled, taken, ceiling, near },
        ...(Number(since) === 0 ? {} : { since_ms: Number(since) }),
      }),
    );
  },
};

const word = nullable(text());
const tokens = nullable(int64);

/** What an export or a list shows. */
const shownColumns: readonly RunColumn[] = [
  column('tenant', tenantText),
  column('run_id', text()),
  column('status', text()),
  column('session_id', word),
  column('sub_tenant', word),
  column('key_id', word),
  column('actor_type', nullable(text())),
  column('actor_id', word),
  column('actor_source', nullable(text())),
  column('provider', word),
  column('dialect', word),
  column('model', word),
  column('tags', textMap),
  column('outcome', nullable(text())),
  column('proximity', nullable(text())),
  column('verdict', text()),
  column('decided_by', word),
  column('input_tokens', tokens),
  column('output_tokens', tokens),
  column('cached_input_tokens', tokens),
  column('cache_write_tokens', tokens),
  column('reasoning_tokens', tokens),
  column('usage_source', text()),
  column('cost_nano_usd', nullable(money)),
  column('latency_ms', nullable(float64)),
  column('ttft_ms', nullable(float64)),
  column('snapshot_id', word),
  column('context_digest', word),
  column('decision_digest', word),
  column('altered', boolean),
  column('started_at', instant),
  column('ended_at', nullable(instant)),
  column('reserved_nano_usd', nullable(money)),
  column('estimated_input_tokens', tokens),
  column('estimated_output_tokens', tokens),
  column('count', uint64),
  column('marks', texts()),
  column('refusal_code', word),
  column('reason', word),
  column('http_status', nullable(uint16)),
  column('method', word),
  column('route', word),
  column('streamed', boolean),
  events,
  limits,
  column('proxy_id', text()),
  column('proxy_epoch', uint32),
  column('proxy_seq', uint64),
  column('leaf_hash', text()),
];

/** What only the page of one run shows. */
const detailColumns: readonly RunColumn[] = [
  column('version', version),
  column('cache_write_1h_tokens', tokens),
  column('input_audio_tokens', tokens),
  column('cached_audio_tokens', tokens),
  column('output_audio_tokens', tokens),
  column('input_image_tokens', tokens),
  column('output_image_tokens', tokens),
  column('request_bytes', uint64),
  column('response_bytes', uint64),
  column('context', word),
  column('decision', word),
  column('decisions', word),
  column('actor_salt', word),
  column('session_salt', word),
  column('tags_salt', word),
  column('context_salt', word),
  column('request_salt', word),
  column('response_salt', word),
];

const allColumns = [...shownColumns, ...detailColumns];

/** Column names of an INSERT, in the order `writeRun` writes them. */
export const runColumnNames: readonly string[] = allColumns.flatMap((each) => each.names);

/** Writes one row of `runs`, without its batch id. */
export function writeRun(writer: RowBinaryWriter, row: RunVersionRow): void {
  for (const each of allColumns) each.write(writer, row);
}

/** SELECT lists for `readShownRun` and `readWholeRun`. */
export const shownRunSelect = shownColumns.map((each) => each.select).join(', ');
export const wholeRunSelect = allColumns.map((each) => each.select).join(', ');

/** A row of `shownRunSelect` as it was written. */
export function readShownRun(row: SelectedRow): Omit<RunVersionRow, 'version'> {
  return assemble(shownColumns, row);
}

/** A row of `wholeRunSelect` as it was written. */
export function readWholeRun(row: SelectedRow): RunVersionRow {
  return assemble(allColumns, row);
}

function assemble(columns: readonly RunColumn[], row: SelectedRow): RunVersionRow {
  const into: Record<string, unknown> = {};
  columns.forEach((each, index) => {
    each.read(into, row[index]);
  });
  return into as unknown as RunVersionRow;
}

import { leafHash } from '../../policy/evidence/index.ts';
import type {
  FinishRecord,
  IntentRecord,
  MarkHead,
  OpenValues,
  RaiseHead,
  SealedRecord,
} from '../../storage/schema/record.ts';
import type { Batch, PayloadRow, RecordRow, RunVersionRow } from '../../storage/schema/rows.ts';
import type { FinishFact, RaiseFact, RunFact } from './ledger.ts';
import type { SpoolFrame } from './ports.ts';
import { runningRow, terminalRow } from './run-row.ts';

/** Everything that follows from a stretch of frames, and from nothing else: the same frames give the same bytes. */
export interface DerivedBatch {
  batch: Batch;
  facts: readonly RunFact[];
  /** Frames whose bytes are sound but are not what we write: left out, as far as they cannot be read. */
  unreadable: number;
  /** Unix ms of the earliest record; null where there is none. */
  oldestAtMs: number | null;
  /** Counter epochs that are marked here, by tenant. */
  marks: Readonly<Record<string, string>>;
  /** Epoch, first and last sequence and number of the records; null where there is none. */
  sequence: { epoch: number; first: number; last: number; records: number } | null;
}

/**
 * Derives rows and facts from frames of one epoch, in their order.
 *
 * Every record gets its row. A run gets one row, its terminal one where its finish is here too: the intent's version would
 * only be written to be outranked. The erasable values of such an intent are not even parsed.
 */
export function deriveBatch(id: string, frames: readonly SpoolFrame[]): DerivedBatch {
  const derivation = new Derivation();
  for (const frame of frames) derivation.take(frame);
  return derivation.end(id);
}

/** Only the facts of a stretch of frames: what the ledger needs to be brought up to date after a restart. */
export function deriveFacts(frames: readonly SpoolFrame[]): RunFact[] {
  const facts: RunFact[] = [];
  for (const frame of frames) {
    if (frame.kind !== 'record' && frame.kind !== 'raise') continue;
    const fact = readable(() => {
      if (frame.kind === 'raise') return raiseFact(frame);
      const record = parseRecord(frame.head.toString());
      if (record.kind === 'intent') return intentFact(record, frame.head.toString(), frame.tail);
      return record.kind === 'finish' ? finishFact(record, parseOpenValues(frame.tail)) : settledFact(record);
    });
    if (fact !== null) facts.push(fact);
  }
  return facts;
}

type PlacedFact = Exclude<RunFact, RaiseFact>;

class Derivation {
  readonly #records: RecordRow[] = [];
  readonly #runs: RunVersionRow[] = [];
  readonly #payloads: PayloadRow[] = [];
  readonly #facts: PlacedFact[] = [];
  readonly #raises: RaiseFact[] = [];
  readonly #intents = new Map<string, { record: IntentRecord; row: RecordRow; tail: Buffer }>();
  readonly #marks: Record<string, string> = {};
  #sequence: DerivedBatch['sequence'] = null;
  #unreadable = 0;
  #oldestAtMs: number | null = null;

  take(frame: SpoolFrame): void {
    const taken = readable(() => {
      if (frame.kind === 'record') return this.#takeRecord(frame);
      if (frame.kind === 'raise') return this.#raises.push(raiseFact(frame));
      return frame.kind === 'payload' ? this.#takePayload(frame) : this.#takeMark(frame);
    });
    if (taken === null) this.#unreadable += 1;
  }

  end(id: string): DerivedBatch {
    for (const { record, row, tail } of this.#intents.values()) {
      const open = readable(() => parseOpenValues(tail));
      if (open === null) this.#unreadable += 1;
      this.#runs.push(runningRow(record, open ?? {}, row.leaf_hash));
      this.#facts.push(intentFact(record, row.raw, open === null ? Buffer.alloc(0) : tail));
    }
    return {
      batch: { id, records: this.#records, runs: this.#runs, payloads: this.#payloads },
      // Those of runs that end here find them ended.
      facts: [...this.#facts.sort((a, b) => a.seq - b.seq), ...this.#raises],
      marks: this.#marks,
      sequence: this.#sequence,
      unreadable: this.#unreadable,
      oldestAtMs: this.#oldestAtMs,
    };
  }

  #takePayload(frame: SpoolFrame): true {
    const row = JSON.parse(frame.head.toString()) as PayloadRow | null;
    if (row === null || typeof row !== 'object') throw new SyntaxError('not a payload');
    row.body = frame.tail;
    this.#payloads.push(row);
    return true;
  }

  #takeMark(frame: SpoolFrame): true {
    const mark = JSON.parse(frame.head.toString()) as MarkHead | null;
    if (mark?.kind !== 'mark') throw new SyntaxError('not a mark');
    this.#marks[mark.tenant] = mark.counter_epoch;
    return true;
  }

  #takeRecord(frame: SpoolFrame): true {
    const raw = frame.head.toString();
    const record = parseRecord(raw);
    const open = record.kind === 'finish' ? parseOpenValues(frame.tail) : {};
    const row = recordRow(record, raw);
    this.#records.push(row);
    this.#sequence ??= { epoch: row.proxy_epoch, first: row.proxy_seq, last: 0, records: 0 };
    this.#sequence.last = row.proxy_seq;
    this.#sequence.records += 1;
    this.#oldestAtMs = Math.min(this.#oldestAtMs ?? row.at_ms, row.at_ms);
    if (record.kind === 'intent') {
      this.#intents.set(record.run_id, { record, row, tail: frame.tail });
    } else if (record.kind === 'settled') {
      this.#facts.push(settledFact(record));
    } else {
      this.#intents.delete(record.run_id);
      this.#runs.push(terminalRow(record, open, row.leaf_hash));
      this.#facts.push(finishFact(record, open));
    }
    return true;
  }
}

function recordRow(record: SealedRecord, raw: string): RecordRow {
  return {
    tenant: record.tenant,
    proxy_id: record.proxy_id,
    proxy_epoch: record.proxy_epoch,
    proxy_seq: record.proxy_seq,
    kind: record.kind,
    run_id: record.kind === 'settled' ? null : record.run_id,
    at_ms: record.at_ms,
    leaf_hash: leafHash(raw),
    raw,
  };
}

/** Throws SyntaxError where the text is no record; what is inside one is the pipeline's own and is not checked again. */
function parseRecord(raw: string): SealedRecord {
  const record = JSON.parse(raw) as SealedRecord | null;
  const kind = record?.kind;
  if (record === null || (kind !== 'intent' && kind !== 'finish' && kind !== 'settled')) {
    throw new SyntaxError('not a record');
  }
  return record;
}

function parseOpenValues(tail: Buffer): OpenValues {
  return tail.length === 0 ? {} : (JSON.parse(tail.toString()) as OpenValues);
}

function intentFact(record: IntentRecord, raw: string, tail: Buffer): PlacedFact {
  const { proxy_epoch: epoch, proxy_seq: seq, run_id: runId, at_ms: atMs } = record;
  return { kind: 'intent', epoch, seq, runId, atMs, raw, open: tail.toString() };
}

function finishFact(record: FinishRecord, open: OpenValues): FinishFact {
  const { proxy_epoch: epoch, proxy_seq: seq, run_id: runId, at_ms: atMs, tenant } = record;
  const { settle = [], settle_at_ms: uncountedAtMs, settle_epoch = '' } = open;
  const fact: FinishFact = { kind: 'finish', epoch, seq, runId, atMs, tenant, settle };
  if (uncountedAtMs !== undefined) fact.uncounted = { atMs: uncountedAtMs, epoch: settle_epoch };
  return fact;
}

function raiseFact(frame: SpoolFrame): RaiseFact {
  const head = JSON.parse(frame.head.toString()) as RaiseHead | null;
  if (head?.kind !== 'raise') throw new SyntaxError('not a raise');
  const { run_id: runId, limits, reserved_nano_usd: reservedNanoUsd, worst_case_nano_usd: worstCaseNanoUsd } = head;
  const { settle = [] } = parseOpenValues(frame.tail);
  return { kind: 'raise', runId, raise: { reservedNanoUsd, worstCaseNanoUsd, limits, settle } };
}

function settledFact(record: SealedRecord & { kind: 'settled' }): PlacedFact {
  const { proxy_epoch: epoch, proxy_seq: seq, at_ms: atMs, runs: runIds } = record;
  return { kind: 'settled', epoch, seq, atMs, runIds };
}

/** What `read` returns, or null where it meets text that is not ours. */
function readable<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

import type { Books } from './books.ts';
import { deliver, waitFor } from './delivery.ts';
import { type DerivedBatch, deriveBatch } from './derive.ts';
import { type BatchLimits, Gatherer } from './gatherer.ts';
import type {
  InsertBatch,
  SealQueue,
  Series,
  ShipperClock,
  ShipperTelemetry,
  SpoolFinding,
  SpoolFrame,
  SpoolPosition,
  SpoolSource,
} from './ports.ts';
import { Recovery } from './recovery.ts';
import { sealBatch } from './seals.ts';
import { insertAllButRefused } from './split-insert.ts';
import { addFindings, countGap, type PendingBatch } from './state.ts';

const pollMs = 50;
const idleSaveAfterMs = 1000;

export interface ShipperInput {
  proxyId: string;
  books: Books;
  source: SpoolSource;
  seals: SealQueue;
  insert: InsertBatch;
  clock: ShipperClock;
  telemetry: ShipperTelemetry;
  limits: BatchLimits;
  /** For how long the proxy's lease is known to be gone, in ms; 0 where it is held or nobody knows. */
  leaseGoneForMs?: () => number;
  /** How long it has to be gone until open runs of a spool that is still locked are closed. Default 10 min. */
  leaseGoneMs?: number;
}

type PendingRange = PendingBatch & { kind: 'range' };

/**
 * Drains one proxy's spool into ClickHouse: gather, fix a batch on disk, send it until it is acknowledged, advance.
 *
 * One batch is under way at a time, and its id and content are durable before its first send, so that a retry, also by the
 * next process, sends identical bytes under one id. Where ClickHouse is away the spool grows and memory does not.
 */
export class Shipper {
  readonly #input: ShipperInput;
  readonly #gatherers: readonly [Gatherer, Gatherer];
  readonly #recovery: Recovery;
  /** What the pending batch holds; null where a crash left only its place, and it has to be read again. */
  #derived: DerivedBatch | null = null;
  #refusedRows = 0;
  #lastFrameAtMs = 0;
  #caughtUpAtMs: number;
  #lastAckAtMs = 0;
  #flushUntilMs = 0;
  #bigFirst = false;

  constructor(input: ShipperInput) {
    this.#input = input;
    const { source, limits, telemetry } = input;
    this.#gatherers = [
      new Gatherer({ series: 'seg', source, limits, telemetry }),
      new Gatherer({ series: 'big', source, limits, telemetry }),
    ];
    this.#recovery = new Recovery(input);
    this.#caughtUpAtMs = input.clock.nowMs();
  }

  /** Newest epoch whose proxy is known to be dead. */
  get overEpoch(): number {
    return this.#recovery.overEpoch;
  }

  /** When a record was last seen, Unix ms; 0 for never. */
  get lastFrameAtMs(): number {
    return this.#lastFrameAtMs;
  }

  /** When all records that were there had last been read, Unix ms. */
  get caughtUpAtMs(): number {
    return this.#caughtUpAtMs;
  }

  /** Unix ms of the earliest record that is under way; null where none is. */
  get oldestAtMs(): number | null {
    return this.#derived?.oldestAtMs ?? null;
  }

  /** For the next second, whatever is there is sent without waiting for more. */
  flush(): void {
    this.#flushUntilMs = this.#input.clock.nowMs() + 1000;
  }

  /** Ships until `signal` is aborted. Rejects where the spool or the shipper's own files cannot be read or written. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (await this.#step(signal)) continue;
      const nowMs = this.#input.clock.nowMs();
      if (nowMs - this.#lastAckAtMs > idleSaveAfterMs) await this.#input.books.save();
      await waitFor(pollMs, signal);
    }
    await this.#input.books.saveAll();
  }

  /** One thing of what there is to do; false where there is nothing. The two series take turns. */
  async #step(signal: AbortSignal): Promise<boolean> {
    const { books } = this.#input;
    if (books.state.pending !== null) {
      await this.#send(books.state.pending, signal);
      return true;
    }
    if (books.ledger.isFull() && !books.knowsMore()) return false;
    this.#bigFirst = !this.#bigFirst;
    const [records, bigs] = this.#gatherers;
    const order = this.#bigFirst ? [bigs, records] : [records, bigs];
    for (const gatherer of order) if (await this.#advance(gatherer)) return true;
    return false;
  }

  async #advance(gatherer: Gatherer): Promise<boolean> {
    const { books, source, clock } = this.#input;
    const { series } = gatherer;
    const nowMs = clock.nowMs();
    const position = books.state[series] ?? (await source.first(series));
    if (position === null) {
      if (series === 'seg') this.#caughtUpAtMs = nowMs;
      return false;
    }
    const seen = await gatherer.poll(position, position.epoch <= this.overEpoch, nowMs);
    if (seen > 0) this.#lastFrameAtMs = nowMs;
    if (series === 'seg' && gatherer.end !== 'more') this.#caughtUpAtMs = nowMs;
    if (gatherer.isDue(nowMs) || (gatherer.count > 0 && nowMs < this.#flushUntilMs)) {
      this.#cut(gatherer);
      return true;
    }
    if (gatherer.count > 0) return false;
    const { end } = gatherer;
    const { from, to, findings } = gatherer.take();
    if (from.segment !== to.segment || from.offset !== to.offset || findings.length > 0) {
      books.change({ [series]: to, totals: addFindings(books.state.totals, findings) });
    }
    if (end === 'over') return this.#leaveEpoch(series, to);
    await books.release();
    if (series === 'seg') await this.#recovery.checkForDeath(to, { nowMs, lastFrameAtMs: this.#lastFrameAtMs });
    return books.state.pending !== null;
  }

  /** Fixes a batch: its id and content stand, and are durable before its first send. */
  #cut(gatherer: Gatherer): void {
    const { books, clock } = this.#input;
    const { frames, findings, from, to } = gatherer.take();
    const range = { series: gatherer.series, from, to, frames: frames.length };
    const pending: PendingRange = { kind: 'range', id: clock.batchId(), ...range, findings };
    books.change({ pending });
    this.#derived = this.#derive(pending, frames);
  }

  async #send(pending: PendingBatch, signal: AbortSignal): Promise<void> {
    const { telemetry, clock, insert } = this.#input;
    await this.#input.books.save();
    let attempts = this.#derived === null ? 1 : 0;
    const derived = this.#derived ?? (await this.#deriveAgain(pending));
    this.#derived = derived;
    const { oldestAtMs, batch } = derived;
    const sent = await deliver({
      act: () => {
        attempts += 1;
        if (attempts > 1) telemetry.retried();
        this.#refusedRows = 0;
        return insertAllButRefused(insert, batch, (rows) => {
          this.#refusedRows += rows;
          telemetry.refused({ batchId: batch.id, rows });
        });
      },
      onFailure: (error) => {
        telemetry.batchSent({ result: 'failed', records: batch.records.length, oldestAtMs });
        telemetry.failed('insert', error);
      },
      clock,
      signal,
    });
    if (!sent) return;
    telemetry.batchSent({ result: 'acknowledged', records: batch.records.length, oldestAtMs });
    await this.#acknowledge(derived);
  }

  async #acknowledge(derived: DerivedBatch): Promise<void> {
    const { books, seals, telemetry, clock } = this.#input;
    const { pending } = books.state;
    if (pending === null) return;
    await seals.append(sealBatch(pending.id, derived.batch.records).map((seal) => JSON.stringify(seal)));
    this.#derived = null;
    this.#lastAckAtMs = clock.nowMs();
    if (pending.kind === 'range') {
      this.#advanceBehind(pending, derived);
      await books.release();
      return;
    }
    await this.#recovery.acknowledge(pending, derived);
    telemetry.abandoned(pending.records.length);
  }

  /** The range is acknowledged: the state goes behind it in one change. */
  #advanceBehind(pending: PendingRange, derived: DerivedBatch): void {
    const { books } = this.#input;
    const { totals, newest, marks } = books.state;
    const gap = pending.series === 'seg' ? countGap(newest, derived.sequence) : 0;
    const found = addFindings(totals, pending.findings ?? [], derived.unreadable);
    const { sequence } = derived;
    books.change({
      pending: null,
      [pending.series]: pending.to,
      totals: {
        ...found,
        refusedRows: found.refusedRows + this.#refusedRows,
        sequenceGaps: found.sequenceGaps + gap,
      },
      newest: sequence === null ? newest : { epoch: sequence.epoch, seq: sequence.last },
      marks: { ...marks, ...derived.marks },
    });
  }

  /** The epoch is drained and dead: closes what it left open, then goes on to the next one. */
  async #leaveEpoch(series: Series, end: SpoolPosition): Promise<boolean> {
    const { books, source } = this.#input;
    this.#recovery.noteOver(end.epoch);
    if (series === 'seg' && this.#recovery.closeOpenRuns(end.epoch)) return true;
    const next = await source.nextEpoch(series, end.epoch);
    if (next === null) {
      await books.release();
      return false;
    }
    if (series === 'seg') books.ledger.forget(end.epoch);
    books.change({ [series]: next });
    await books.release();
    return true;
  }

  /** After a crash: the same bytes again. Where the spool no longer holds them all, what is left is a batch of its own. */
  async #deriveAgain(pending: PendingBatch): Promise<DerivedBatch> {
    if (pending.kind === 'recovery') return deriveBatch(pending.id, pending.records.map(toFrame));
    const { source, books, clock, telemetry } = this.#input;
    const { series, from, to } = pending;
    const budget = { frames: pending.frames + 1, bytes: Number.POSITIVE_INFINITY };
    const epochIsOver = await source.isEpochOver(from.epoch);
    const slice = await source.read({ series, from, until: to, budget, epochIsOver });
    if (slice.frames.length === pending.frames) return this.#derive(pending, slice.frames);
    telemetry.failed('reread', new Error(`${pending.frames} frames were fixed, ${slice.frames.length} are left`));
    const findings: readonly SpoolFinding[] = slice.findings;
    const left: PendingRange = { ...pending, id: clock.batchId(), frames: slice.frames.length, findings };
    books.change({ pending: left });
    await books.save();
    return this.#derive(left, slice.frames);
  }

  /** What the ledger needs is known from here on: settling does not wait for ClickHouse. */
  #derive(pending: PendingRange, frames: readonly SpoolFrame[]): DerivedBatch {
    const { books, telemetry } = this.#input;
    const derived = deriveBatch(pending.id, frames);
    if (pending.series === 'seg') books.learn(derived.facts, pending.to);
    if (derived.unreadable > 0) {
      telemetry.unreadable({ series: pending.series, epoch: pending.from.epoch, frames: derived.unreadable });
    }
    return derived;
  }
}

function toFrame(record: { raw: string; open: string }, index: number): SpoolFrame {
  return { kind: 'record', seq: index + 1, head: Buffer.from(record.raw), tail: Buffer.from(record.open) };
}

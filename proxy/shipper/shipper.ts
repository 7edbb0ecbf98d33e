import { closeAbandonedRun } from './abandon.ts';
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
  SpoolFrame,
  SpoolPosition,
  SpoolSource,
} from './ports.ts';
import { sealBatch } from './seals.ts';
import { insertAllButRefused } from './split-insert.ts';
import type { PendingBatch } from './state.ts';

const pollMs = 50;
const idleSaveAfterMs = 1000;
const deathCheckEveryMs = 2000;
const quietBeforeDeathCheckMs = 1000;
const recoveryBatchRuns = 200;

export interface ShipperInput {
  proxyId: string;
  books: Books;
  source: SpoolSource;
  seals: SealQueue;
  insert: InsertBatch;
  clock: ShipperClock;
  telemetry: ShipperTelemetry;
  limits: BatchLimits;
}

/**
 * Drains one proxy's spool into ClickHouse: gather, fix a batch on disk, send it until it is acknowledged, advance.
 *
 * One batch is under way at a time, and its id and content are durable before its first send, so that a retry, also by the
 * next process, sends identical bytes under one id. Where ClickHouse is away the spool grows and memory does not.
 */
export class Shipper {
  readonly #input: ShipperInput;
  readonly #gatherers: readonly [Gatherer, Gatherer];
  /** What the pending batch holds; null where a crash left only its place, and it has to be read again. */
  #derived: DerivedBatch | null = null;
  #overEpoch = 0;
  #lastFrameAtMs = 0;
  #lastDeathCheckAtMs = 0;
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
  }

  /** Newest epoch whose proxy is known to be dead. */
  get overEpoch(): number {
    return this.#overEpoch;
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
    if (books.ledger.isFull()) return false;
    this.#bigFirst = !this.#bigFirst;
    const [records, bigs] = this.#gatherers;
    const order = this.#bigFirst ? [bigs, records] : [records, bigs];
    for (const gatherer of order) if (await this.#advance(gatherer)) return true;
    return false;
  }

  async #advance(gatherer: Gatherer): Promise<boolean> {
    const { books, source, clock } = this.#input;
    const { series } = gatherer;
    const position = books.state[series] ?? (await source.first(series));
    if (position === null) return false;
    const nowMs = clock.nowMs();
    const seen = await gatherer.poll(position, position.epoch <= this.#overEpoch, nowMs);
    if (seen > 0) this.#lastFrameAtMs = nowMs;
    if (gatherer.isDue(nowMs) || (gatherer.count > 0 && nowMs < this.#flushUntilMs)) {
      this.#cut(gatherer);
      return true;
    }
    if (gatherer.count > 0) return false;
    const { end } = gatherer;
    const { from, to } = gatherer.take();
    if (from.segment !== to.segment || from.offset !== to.offset) books.change({ [series]: to });
    if (end === 'over') return this.#leaveEpoch(series, to);
    await books.release();
    if (series === 'seg') await this.#checkForDeath(to, nowMs);
    return false;
  }

  /** Fixes a batch: its id and content stand, and are durable before its first send. */
  #cut(gatherer: Gatherer): void {
    const { books, clock } = this.#input;
    const { frames, from, to } = gatherer.take();
    const pending = {
      kind: 'range',
      id: clock.batchId(),
      series: gatherer.series,
      from,
      to,
      frames: frames.length,
    } as const;
    books.change({ pending });
    this.#derived = this.#derive(pending.id, frames, pending);
  }

  async #send(pending: PendingBatch, signal: AbortSignal): Promise<void> {
    const { telemetry, clock, insert } = this.#input;
    await this.#input.books.save();
    const derived = this.#derived ?? (await this.#deriveAgain(pending));
    this.#derived = derived;
    const { oldestAtMs, batch } = derived;
    const sent = await deliver({
      act: () => insertAllButRefused(insert, batch, (rows) => telemetry.refused({ batchId: pending.id, rows })),
      onFailure: (error) => {
        telemetry.batchSent({ result: 'failed', records: batch.records.length, oldestAtMs });
        telemetry.failed('insert', error);
      },
      clock,
      signal,
    });
    if (!sent) return;
    telemetry.batchSent({ result: 'acknowledged', records: batch.records.length, oldestAtMs });
    await this.#acknowledge(pending, derived);
  }

  async #acknowledge(pending: PendingBatch, derived: DerivedBatch): Promise<void> {
    const { books, seals, telemetry, clock } = this.#input;
    await seals.append(sealBatch(pending.id, derived.batch.records).map((seal) => JSON.stringify(seal)));
    for (const fact of derived.facts) books.ledger.apply(fact);
    this.#derived = null;
    this.#lastAckAtMs = clock.nowMs();
    if (pending.kind === 'range') {
      books.change({ pending: null, [pending.series]: pending.to });
      await books.release();
      return;
    }
    const nextSeq = books.state.recovery.nextSeq + pending.records.length;
    books.change({ pending: null, recovery: { epoch: pending.epoch, nextSeq } });
    // The closed runs must not come back from the spool after a crash: the ledger is saved before anything else happens.
    await books.saveAll();
    telemetry.abandoned(pending.records.length);
  }

  /** The epoch is drained and dead: closes what it left open, then goes on to the next one. */
  async #leaveEpoch(series: Series, end: SpoolPosition): Promise<boolean> {
    const { books, source } = this.#input;
    this.#overEpoch = Math.max(this.#overEpoch, end.epoch);
    if (series === 'seg' && this.#closeOpenRuns(end.epoch)) return true;
    const next = await source.nextEpoch(series, end.epoch);
    if (next === null) {
      await books.release();
      return false;
    }
    books.change({ [series]: next });
    await books.release();
    return true;
  }

  /** Fixes a batch of recovery records for some of the runs that the dead epoch left open; false where there are none. */
  #closeOpenRuns(epoch: number): boolean {
    const { books, clock, proxyId } = this.#input;
    const open = books.ledger.openUpTo(epoch, recoveryBatchRuns);
    if (open.length === 0) return false;
    const firstSeq = books.state.recovery.epoch === epoch ? books.state.recovery.nextSeq : 1;
    const closing = { proxyId, atMs: clock.nowMs(), lastAtMs: books.ledger.lastAtMs };
    const records = open.map((run, index) =>
      closeAbandonedRun({ ...run, epoch }, { ...closing, seq: firstSeq + index }),
    );
    const pending: PendingBatch = { kind: 'recovery', id: clock.batchId(), epoch, records };
    books.change({ pending, recovery: { epoch, nextSeq: firstSeq } });
    return true;
  }

  /** Asks for the spool's lock where the newest epoch is quiet and something depends on whether its proxy lives. */
  async #checkForDeath(position: SpoolPosition, nowMs: number): Promise<void> {
    if (position.epoch <= this.#overEpoch || nowMs - this.#lastFrameAtMs < quietBeforeDeathCheckMs) return;
    if (nowMs - this.#lastDeathCheckAtMs < deathCheckEveryMs) return;
    this.#lastDeathCheckAtMs = nowMs;
    const { books, source } = this.#input;
    const waitingRuns = books.ledger.openCount + books.ledger.unsettledCount;
    if (waitingRuns === 0) {
      const behind = await Promise.all([source.backlog('seg', position), source.backlog('big', books.state.big)]);
      if (behind.every(({ bytes }) => bytes === 0)) return;
    }
    if (await source.isEpochOver(position.epoch)) this.#overEpoch = position.epoch;
  }

  /** After a crash: the same bytes again. Where the spool no longer holds them all, what is left is a batch of its own. */
  async #deriveAgain(pending: PendingBatch): Promise<DerivedBatch> {
    if (pending.kind === 'recovery') return this.#derive(pending.id, pending.records.map(toFrame), null);
    const { source, books, clock, telemetry } = this.#input;
    const { series, from, to } = pending;
    const budget = { frames: pending.frames + 1, bytes: Number.POSITIVE_INFINITY };
    const epochIsOver = await source.isEpochOver(from.epoch);
    const slice = await source.read({ series, from, until: to, budget, epochIsOver });
    if (slice.frames.length === pending.frames) return this.#derive(pending.id, slice.frames, pending);
    telemetry.failed('reread', new Error(`${pending.frames} frames were fixed, ${slice.frames.length} are left`));
    books.change({ pending: { ...pending, id: clock.batchId(), frames: slice.frames.length } });
    await books.save();
    return this.#derive(books.state.pending?.id ?? pending.id, slice.frames, pending);
  }

  #derive(
    id: string,
    frames: readonly SpoolFrame[],
    range: { series: Series; from: SpoolPosition } | null,
  ): DerivedBatch {
    const derived = deriveBatch(id, frames);
    if (derived.unreadable > 0 && range !== null) {
      this.#input.telemetry.unreadable({ series: range.series, epoch: range.from.epoch, frames: derived.unreadable });
    }
    return derived;
  }
}

function toFrame(record: { raw: string; open: string }, index: number): SpoolFrame {
  return { kind: 'record', seq: index + 1, head: Buffer.from(record.raw), tail: Buffer.from(record.open) };
}

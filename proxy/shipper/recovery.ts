import { closeAbandonedRun } from './abandon.ts';
import type { Books } from './books.ts';
import type { DerivedBatch } from './derive.ts';
import type { ShipperClock, SpoolPosition, SpoolSource } from './ports.ts';
import type { PendingBatch } from './state.ts';

const deathCheckEveryMs = 2000;
const quietBeforeDeathCheckMs = 1000;
const recoveryBatchRuns = 200;
const defaultLeaseGoneMs = 600_000;

export interface RecoveryInput {
  proxyId: string;
  books: Books;
  source: SpoolSource;
  clock: ShipperClock;
  leaseGoneForMs?: () => number;
  leaseGoneMs?: number;
}

/**
 * Finds out that a proxy is dead, and closes the runs that it left open.
 *
 * A proxy is dead when nobody holds its spool's lock. One that holds it and whose lease has been gone for long, without a word
 * in its spool, is paused, and may be for ever: its old runs are closed too, but its epoch stays open, since it may wake up; a
 * finish that it then appends outranks the closing.
 */
export class Recovery {
  readonly #input: RecoveryInput;
  readonly #startedAtMs: number;
  #overEpoch = 0;
  #lastCheckAtMs = 0;

  constructor(input: RecoveryInput) {
    this.#input = input;
    this.#startedAtMs = input.clock.nowMs();
  }

  /** Newest epoch whose proxy is known to be dead. */
  get overEpoch(): number {
    return this.#overEpoch;
  }

  /** Nobody can append to this epoch any more. */
  noteOver(epoch: number): void {
    this.#overEpoch = Math.max(this.#overEpoch, epoch);
  }

  /** Asks for the spool's lock where the newest epoch is quiet and something depends on whether its proxy lives. */
  async checkForDeath(position: SpoolPosition, seen: { nowMs: number; lastFrameAtMs: number }): Promise<void> {
    const { nowMs, lastFrameAtMs } = seen;
    if (position.epoch <= this.#overEpoch || nowMs - lastFrameAtMs < quietBeforeDeathCheckMs) return;
    if (nowMs - this.#lastCheckAtMs < deathCheckEveryMs) return;
    this.#lastCheckAtMs = nowMs;
    const { books, source } = this.#input;
    const waitingRuns = books.ledger.openCount + books.ledger.unsettledCount;
    if (waitingRuns === 0) {
      const behind = await Promise.all([source.backlog('seg', position), source.backlog('big', books.state.big)]);
      if (behind.every(({ bytes }) => bytes === 0)) return;
    }
    if (await source.isEpochOver(position.epoch)) this.noteOver(position.epoch);
    else this.#closeRunsOfPaused(position.epoch, nowMs - Math.max(lastFrameAtMs, this.#startedAtMs));
  }

  /**
   * Fixes a batch of recovery records for some of the runs that the epoch left open, begun at `untilMs` or before; false where
   * there are none.
   */
  closeOpenRuns(epoch: number, untilMs = Number.POSITIVE_INFINITY): boolean {
    const { books, clock, proxyId } = this.#input;
    const open = books.ledger.openUpTo(epoch, recoveryBatchRuns, untilMs);
    if (open.length === 0) return false;
    const firstSeq = books.state.recovery.epoch === epoch ? books.state.recovery.nextSeq : 1;
    const closing = { proxyId, atMs: clock.nowMs() };
    const records = open.map((run, index) => {
      const lastAtMs = books.ledger.lastAtMs(run.epoch);
      return closeAbandonedRun({ ...run, epoch }, { ...closing, lastAtMs, seq: firstSeq + index });
    });
    const pending: PendingBatch = { kind: 'recovery', id: clock.batchId(), epoch, records };
    books.change({ pending, recovery: { epoch, nextSeq: firstSeq } });
    return true;
  }

  /** A recovery batch is acknowledged: its runs are closed, and from now on they are settled as what they cost at most. */
  async acknowledge(pending: PendingBatch & { kind: 'recovery' }, derived: DerivedBatch): Promise<void> {
    const { books } = this.#input;
    books.ledger.closed(derived.facts.filter((fact) => fact.kind === 'finish'));
    const nextSeq = books.state.recovery.nextSeq + pending.records.length;
    books.change({ pending: null, recovery: { epoch: pending.epoch, nextSeq } });
    // The closed runs must not come back from the spool after a crash: the ledger is saved before anything else happens.
    await books.saveAll();
  }

  #closeRunsOfPaused(epoch: number, quietMs: number): void {
    const { leaseGoneForMs = () => 0, leaseGoneMs = defaultLeaseGoneMs, clock } = this.#input;
    if (Math.min(quietMs, leaseGoneForMs()) < leaseGoneMs) return;
    this.closeOpenRuns(epoch, clock.nowMs() - leaseGoneMs);
  }
}

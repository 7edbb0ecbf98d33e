import type { SettleItem } from '../../storage/schema/record.ts';
import type { SettleRequest } from '../../storage/schema/reservation.ts';

/** Where a record stands: its recorder's epoch and its sequence in it. */
interface Place {
  epoch: number;
  seq: number;
  atMs: number;
}

/** What one record means for the runs that are under way. */
export type RunFact =
  | (Place & { kind: 'intent'; runId: string; raw: string; open: string })
  | FinishFact
  | (Place & { kind: 'settled'; runIds: readonly string[] });

/** The end of a run: what it comes to is to be settled. */
export type FinishFact = Place & { kind: 'finish'; runId: string; tenant: string; settle: readonly SettleItem[] };

/** An intent without a finish: the exact bytes of the record and its erasable values, to close it with if its proxy dies. */
export interface OpenRun {
  epoch: number;
  runId: string;
  raw: string;
  open: string;
  /** Time of the intent, Unix ms; absent in what an earlier version saved. */
  atMs?: number;
}

/** A finished run whose reservation nobody is known to have settled. */
export interface UnsettledRun {
  epoch: number;
  runId: string;
  tenant: string;
  atMs: number;
  items: readonly SettleItem[];
}

interface LedgerSnapshot {
  v: 1;
  /** Place of the newest record applied, and the last sign of life of each epoch; absent in what an earlier version saved. */
  newest?: { epoch: number; seq: number };
  lives?: readonly (readonly [epoch: number, atMs: number])[];
  open: readonly OpenRun[];
  unsettled: readonly UnsettledRun[];
}

/**
 * Which runs are open and which are not settled, derived from the records in their order and from nothing else. It knows the
 * newest record that it was given and passes over what is not newer, so that it may read ahead of what is shipped, and read
 * again from an earlier place after a crash. A proxy's own bound on concurrent runs bounds it; `maxOpen` and `maxUnsettled`
 * stop a broken one, by dropping the oldest open run, and by `isFull`, on which reading stops until Redis takes settlements.
 */
export class RunLedger {
  readonly #open = new Map<string, OpenRun>();
  readonly #unsettled = new Map<string, UnsettledRun>();
  readonly #lives = new Map<number, number>();
  readonly #bounds: { maxOpen: number; maxUnsettled: number };
  #newest = { epoch: 0, seq: 0 };
  #dropped = 0;

  constructor(bounds = { maxOpen: 100_000, maxUnsettled: 200_000 }) {
    this.#bounds = bounds;
  }

  get openCount(): number {
    return this.#open.size;
  }

  get unsettledCount(): number {
    return this.#unsettled.size;
  }

  /** Open runs that were given up because there were too many. */
  get droppedCount(): number {
    return this.#dropped;
  }

  /** Time of the newest record of an epoch, Unix ms: the last sign of life of its proxy; 0 where none is known. */
  lastAtMs(epoch: number): number {
    return this.#lives.get(epoch) ?? 0;
  }

  /** Whether no more may be read before some settlements went through. */
  isFull(): boolean {
    return this.#unsettled.size >= this.#bounds.maxUnsettled;
  }

  /** Takes a record's fact in, unless it is not newer than the newest that was taken in. */
  apply(fact: RunFact): void {
    const { epoch, seq, atMs } = fact;
    if ((epoch - this.#newest.epoch || seq - this.#newest.seq) <= 0) return;
    this.#newest = { epoch, seq };
    this.#lives.set(epoch, Math.max(this.lastAtMs(epoch), atMs));
    if (fact.kind === 'intent') this.#begin(fact);
    else if (fact.kind === 'settled') this.settled(fact.runIds);
    else this.#finish(fact);
  }

  #begin({ epoch, runId, raw, open, atMs }: RunFact & { kind: 'intent' }): void {
    this.#open.set(runId, { epoch, runId, raw, open, atMs });
    if (this.#open.size <= this.#bounds.maxOpen) return;
    const [oldest] = this.#open.keys();
    if (oldest !== undefined) this.#open.delete(oldest);
    this.#dropped += 1;
  }

  #finish({ epoch, runId, tenant, atMs, settle }: FinishFact): void {
    this.#open.delete(runId);
    if (settle.length > 0) this.#unsettled.set(runId, { epoch, runId, tenant, atMs, items: settle });
  }

  /** These runs are settled, by the proxy or by the shipper. */
  settled(runIds: readonly string[]): void {
    for (const runId of runIds) this.#unsettled.delete(runId);
  }

  /** Recovery has closed these runs: they are to be settled, unless their own finish came in the meantime. */
  closed(facts: readonly FinishFact[]): void {
    for (const fact of facts) if (this.#open.has(fact.runId)) this.#finish(fact);
  }

  /** Up to `max` open runs of epochs up to `epoch`, begun at `untilMs` (Unix ms) or before, oldest first. */
  openUpTo(epoch: number, max: number, untilMs = Number.POSITIVE_INFINITY): OpenRun[] {
    return take(this.#open.values(), max, (run) => run.epoch <= epoch && (run.atMs ?? 0) <= untilMs);
  }

  /** An epoch up to this one is shipped and closed: nothing needs its last sign of life. */
  forget(epoch: number): void {
    for (const known of this.#lives.keys()) if (known <= epoch) this.#lives.delete(known);
  }

  /**
   * Up to `max` settlements that are due: their proxy has had `graceMs` since the finish, or its epoch is over. Tenants that
   * `skip` names are left out.
   */
  dueSettlements(input: {
    nowMs: number;
    graceMs: number;
    overEpoch: number;
    max: number;
    skip: (tenant: string) => boolean;
  }): SettleRequest[] {
    const isDue = (run: UnsettledRun) =>
      (run.epoch <= input.overEpoch || run.atMs + input.graceMs <= input.nowMs) && !input.skip(run.tenant);
    return take(this.#unsettled.values(), input.max, isDue).map((run) => ({
      tenant: run.tenant,
      runId: run.runId,
      items: run.items.map((item) => ({ key: item.key, amount: BigInt(item.amount) })),
    }));
  }

  /** All of it as JSON. */
  snapshot(): string {
    const open = [...this.#open.values()];
    const unsettled = [...this.#unsettled.values()];
    const lives = [...this.#lives];
    return JSON.stringify({ v: 1, newest: this.#newest, lives, open, unsettled } satisfies LedgerSnapshot);
  }

  /** Puts a snapshot in, over what is there. Throws on text that `snapshot` did not make. */
  restore(text: string): void {
    const snapshot = JSON.parse(text) as LedgerSnapshot;
    if (snapshot.v !== 1) throw new Error('a ledger snapshot of an unknown version');
    this.#newest = snapshot.newest ?? { epoch: 0, seq: 0 };
    for (const [epoch, atMs] of snapshot.lives ?? []) this.#lives.set(epoch, atMs);
    for (const run of snapshot.open) this.#open.set(run.runId, run);
    for (const run of snapshot.unsettled) this.#unsettled.set(run.runId, run);
  }
}

function take<T>(values: Iterable<T>, max: number, fits: (value: T) => boolean): T[] {
  const taken: T[] = [];
  for (const value of values) {
    if (taken.length >= max) break;
    if (fits(value)) taken.push(value);
  }
  return taken;
}

import type { SettleItem } from '../../storage/schema/record.ts';
import type { SettleRequest } from '../../storage/schema/reservation.ts';

/** What one record means for the runs that are under way. */
export type RunFact =
  | { kind: 'intent'; epoch: number; runId: string; atMs: number; raw: string; open: string }
  | { kind: 'finish'; epoch: number; runId: string; atMs: number; tenant: string; settle: readonly SettleItem[] }
  | { kind: 'settled'; epoch: number; runIds: readonly string[]; atMs: number };

/** An intent without a finish: the exact bytes of the record and its erasable values, to close it with if its proxy dies. */
export interface OpenRun {
  epoch: number;
  runId: string;
  raw: string;
  open: string;
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
  lastAtMs: number;
  open: readonly OpenRun[];
  unsettled: readonly UnsettledRun[];
}

/**
 * Which runs are open and which are not settled, derived from the records in their order and from nothing else: applied
 * again from a snapshot it comes to the same. A proxy's own bound on concurrent runs bounds it; `maxOpen` and `maxUnsettled`
 * stop a broken one, by dropping the oldest open run, and by `isFull`, on which reading stops until Redis takes settlements.
 */
export class RunLedger {
  readonly #open = new Map<string, OpenRun>();
  readonly #unsettled = new Map<string, UnsettledRun>();
  readonly #bounds: { maxOpen: number; maxUnsettled: number };
  #lastAtMs = 0;
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

  /** Time of the newest record, Unix ms: the last sign of life of its proxy. */
  get lastAtMs(): number {
    return this.#lastAtMs;
  }

  /** Whether no more may be read before some settlements went through. */
  isFull(): boolean {
    return this.#unsettled.size >= this.#bounds.maxUnsettled;
  }

  apply(fact: RunFact): void {
    this.#lastAtMs = Math.max(this.#lastAtMs, fact.atMs);
    if (fact.kind === 'intent') this.#begin(fact);
    else if (fact.kind === 'settled') this.settled(fact.runIds);
    else this.#finish(fact);
  }

  #begin({ epoch, runId, raw, open }: RunFact & { kind: 'intent' }): void {
    this.#open.set(runId, { epoch, runId, raw, open });
    if (this.#open.size <= this.#bounds.maxOpen) return;
    const [oldest] = this.#open.keys();
    if (oldest !== undefined) this.#open.delete(oldest);
    this.#dropped += 1;
  }

  #finish({ epoch, runId, tenant, atMs, settle }: RunFact & { kind: 'finish' }): void {
    this.#open.delete(runId);
    if (settle.length > 0) this.#unsettled.set(runId, { epoch, runId, tenant, atMs, items: settle });
  }

  /** These runs are settled, by the proxy or by the shipper. */
  settled(runIds: readonly string[]): void {
    for (const runId of runIds) this.#unsettled.delete(runId);
  }

  /** These runs have been closed. */
  closed(runIds: readonly string[]): void {
    for (const runId of runIds) this.#open.delete(runId);
  }

  /** Up to `max` open runs of epochs up to `epoch`, oldest first. */
  openUpTo(epoch: number, max: number): OpenRun[] {
    return take(this.#open.values(), max, (run) => run.epoch <= epoch);
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
    return JSON.stringify({ v: 1, lastAtMs: this.#lastAtMs, open, unsettled } satisfies LedgerSnapshot);
  }

  /** Puts a snapshot in, over what is there. Throws on text that `snapshot` did not make. */
  restore(text: string): void {
    const snapshot = JSON.parse(text) as LedgerSnapshot;
    if (snapshot.v !== 1) throw new Error('a ledger snapshot of an unknown version');
    this.#lastAtMs = snapshot.lastAtMs;
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

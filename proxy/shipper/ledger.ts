import type { SettleItem } from '../../storage/schema/record.ts';
import type { LimitCharge } from '../../storage/schema/run.ts';
import type { Settlement } from './ports.ts';

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
  | RaiseFact
  | (Place & { kind: 'settled'; runIds: readonly string[] });

/** The end of a run: what it comes to is to be settled. */
export type FinishFact = Place & {
  kind: 'finish';
  runId: string;
  tenant: string;
  settle: readonly SettleItem[];
  uncounted?: Settlement['uncounted'];
};

/**
 * What a run under way can have come to: the newest stands, in place of what its intent says. It has no place in the
 * sequence; read again behind the end of its run it changes nothing.
 */
export interface RaiseFact {
  kind: 'raise';
  runId: string;
  raise: Raise;
}

export interface Raise {
  reservedNanoUsd: string | null;
  worstCaseNanoUsd: string | null;
  limits: readonly LimitCharge[];
  settle: readonly SettleItem[];
}

/** An intent without a finish: the exact bytes of the record and its erasable values, to close it with if its proxy dies. */
export interface OpenRun {
  epoch: number;
  runId: string;
  raw: string;
  open: string;
  /** Time of the intent, Unix ms; absent in what an earlier version saved. */
  atMs?: number;
  raise?: Raise;
}

/** A finished run whose reservation nobody is known to have settled. */
export interface UnsettledRun {
  epoch: number;
  runId: string;
  tenant: string;
  atMs: number;
  items: readonly SettleItem[];
  uncounted?: Settlement['uncounted'];
}

interface LedgerBounds {
  maxOpen: number;
  maxUnsettled: number;
  maxUncounted: number;
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
 * Runs that Redis does not know can pile up for as long as it is away, which must not stop shipping: of those the oldest is
 * dropped beyond `maxUncounted`. Their charges stand in the records all the same.
 */
export class RunLedger {
  readonly #open = new Map<string, OpenRun>();
  readonly #unsettled = new Map<string, UnsettledRun>();
  readonly #uncounted = new Map<string, UnsettledRun>();
  readonly #lives = new Map<number, number>();
  readonly #bounds: LedgerBounds;
  #newest = { epoch: 0, seq: 0 };
  #dropped = 0;

  constructor(bounds: Partial<LedgerBounds> = {}) {
    this.#bounds = { maxOpen: 100_000, maxUnsettled: 200_000, maxUncounted: 50_000, ...bounds };
  }

  get openCount(): number {
    return this.#open.size;
  }

  get unsettledCount(): number {
    return this.#unsettled.size + this.#uncounted.size;
  }

  /** Runs that were given up because there were too many: open ones, and ones that Redis was to count. */
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
    if (fact.kind === 'raise') {
      const run = this.#open.get(fact.runId);
      if (run !== undefined) this.#open.set(fact.runId, { ...run, raise: fact.raise });
      return;
    }
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
    this.#bound(this.#open, this.#bounds.maxOpen);
  }

  #finish({ epoch, runId, tenant, atMs, settle, uncounted }: FinishFact): void {
    this.#open.delete(runId);
    if (settle.length === 0) return;
    const run = { epoch, runId, tenant, atMs, items: settle };
    this.#owe(uncounted === undefined ? run : { ...run, uncounted });
  }

  #owe(run: UnsettledRun): void {
    if (run.uncounted === undefined) this.#unsettled.set(run.runId, run);
    else this.#uncounted.set(run.runId, run);
    this.#bound(this.#uncounted, this.#bounds.maxUncounted);
  }

  #bound(runs: Map<string, unknown>, most: number): void {
    if (runs.size <= most) return;
    const [oldest] = runs.keys();
    if (oldest !== undefined) runs.delete(oldest);
    this.#dropped += 1;
  }

  /** These runs are settled, by the proxy or by the shipper. */
  settled(runIds: readonly string[]): void {
    for (const runId of runIds) if (!this.#unsettled.delete(runId)) this.#uncounted.delete(runId);
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
   * `skip` names are left out. Each is final: what their proxy, dead or slow, asked of Redis for them may reach it after.
   */
  dueSettlements(input: {
    nowMs: number;
    graceMs: number;
    overEpoch: number;
    max: number;
    skip: (tenant: string) => boolean;
  }): Settlement[] {
    const isDue = (run: UnsettledRun) =>
      (run.epoch <= input.overEpoch || run.atMs + input.graceMs <= input.nowMs) && !input.skip(run.tenant);
    const due = take(this.#unsettled.values(), input.max, isDue);
    return [...due, ...take(this.#uncounted.values(), input.max - due.length, isDue)].map(describe);
  }

  /** All of it as JSON. */
  snapshot(): string {
    const open = [...this.#open.values()];
    const unsettled = [...this.#unsettled.values(), ...this.#uncounted.values()];
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
    for (const run of snapshot.unsettled) this.#owe(run);
  }
}

function describe({ tenant, runId, items, uncounted }: UnsettledRun): Settlement {
  return {
    tenant,
    runId,
    items: items.map(({ key, amount, window, at_ms: atMs }) => ({
      ...{ key, amount: BigInt(amount) },
      ...(window === undefined ? {} : { window }),
      ...(atMs === undefined ? {} : { atMs }),
    })),
    final: true,
    ...(uncounted === undefined ? {} : { uncounted }),
  };
}

function take<T>(values: Iterable<T>, max: number, fits: (value: T) => boolean): T[] {
  const taken: T[] = [];
  for (const value of values) {
    if (taken.length >= max) break;
    if (fits(value)) taken.push(value);
  }
  return taken;
}

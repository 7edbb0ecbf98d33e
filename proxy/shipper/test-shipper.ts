import { join } from 'node:path';
import { uuidv7 } from 'uuidv7';
import type { SettleRequest } from '../../storage/schema/reservation.ts';
import type { Batch, RecordRow } from '../../storage/schema/rows.ts';
import { openLineLog, openSpoolReader, readIfPresent, saveAtomically } from '../../storage/spool/index.ts';
import { Books } from './books.ts';
import type { ShipperTelemetry } from './ports.ts';
import { readAheadForLedger } from './read-ahead.ts';
import { settleLeftovers } from './settlement.ts';
import { Shipper } from './shipper.ts';

/** For tests: deduplicates by batch id as ClickHouse does, and counts batches that come again with other bytes. */
export class Sink {
  readonly batches = new Map<string, string>();
  readonly attempts: string[] = [];
  conflicts = 0;
  /** Called before and after a batch is taken; what it throws is what the shipper gets. */
  before: (id: string) => Promise<void> | void = () => undefined;
  after: (id: string) => Promise<void> | void = () => undefined;

  async insert(batch: Batch): Promise<void> {
    this.attempts.push(batch.id);
    await this.before(batch.id);
    const text = JSON.stringify(batch);
    if ((this.batches.get(batch.id) ?? text) !== text) this.conflicts += 1;
    this.batches.set(batch.id, text);
    await this.after(batch.id);
  }

  all(): Batch[] {
    return [...this.batches.values()].map((text) => JSON.parse(text) as Batch);
  }

  records(): RecordRow[] {
    return this.all().flatMap((batch) => batch.records);
  }
}

/** For tests: what Redis would have settled: the first settlement of a run counts, every other one is looked at too. */
export class Till {
  readonly settled = new Map<string, string>();
  /** Runs that were settled for good. */
  readonly final = new Set<string>();
  /** Settlements of one run that came to different amounts. */
  readonly contradictions: string[] = [];
  isAway = false;

  async settle(requests: readonly SettleRequest[]): Promise<void> {
    if (this.isAway) throw new Error('away');
    for (const { runId, items, final } of requests) {
      if (final) this.final.add(runId);
      const text = items.map((item) => `${item.key}=${item.amount}`).join();
      if ((this.settled.get(runId) ?? text) !== text) this.contradictions.push(runId);
      if (!this.settled.has(runId)) this.settled.set(runId, text);
    }
  }
}

/** For tests: tells nobody. */
export const silent: ShipperTelemetry = {
  batchSent: () => undefined,
  retried: () => undefined,
  found: () => undefined,
  unreadable: () => undefined,
  refused: () => undefined,
  settled: () => undefined,
  abandoned: () => undefined,
  failed: () => undefined,
};

/** For tests: twenty times as fast as the real one, so that graces and checks take no time; waits between polls stay real. */
export const clock = { nowMs: () => Math.round(performance.now() * 20), random: () => 0.5, batchId: uuidv7 };

export interface StartInput {
  telemetry?: ShipperTelemetry;
  /** Where settlements go, which also reads ahead for them; nowhere by default. */
  till?: Till;
  leaseGoneForMs?: () => number;
  leaseGoneMs?: number;
  limits?: { frames: number; bytes: number; lingerMs: number };
}

/** For tests: the shipper of the spool `<dir>/p` with real files, in this process. */
export async function startShipper(dir: string, sink: Sink, input: StartInput = {}) {
  const { telemetry = silent, till } = input;
  const folder = join(dir, 'p');
  const source = openSpoolReader({ dir, proxyId: 'p' });
  const ahead = openSpoolReader({ dir, proxyId: 'p' });
  const seals = await openLineLog(join(folder, 'seals'));
  const life = { crashed: false };
  const store = (name: string) => ({
    load: () => readIfPresent(join(folder, name)),
    save: async (text: string) => {
      if (life.crashed) throw new Error('killed');
      await saveAtomically(join(folder, name), text);
    },
  });
  const books = await Books.open({ state: store('cursor.json'), checkpoint: store('open-runs.json'), source });
  const insert = (batch: Batch) => sink.insert(batch);
  const { limits = { frames: 40, bytes: 100_000, lingerMs: 200 }, leaseGoneForMs, leaseGoneMs } = input;
  const shipper = new Shipper({
    ...{ proxyId: 'p', books, source, seals, insert, clock, telemetry, limits },
    ...(leaseGoneForMs === undefined ? {} : { leaseGoneForMs }),
    ...(leaseGoneMs === undefined ? {} : { leaseGoneMs }),
  });
  const stopping = new AbortController();
  const { signal } = stopping;
  const overEpoch = () => shipper.overEpoch;
  const running = [shipper.run(signal)];
  if (till !== undefined) {
    const caughtUpAtMs = () => shipper.caughtUpAtMs;
    running.push(readAheadForLedger({ books, source: ahead, caughtUpAtMs, overEpoch, clock, signal }));
    const settle = (requests: readonly SettleRequest[]) => till.settle(life.crashed ? [] : requests);
    running.push(settleLeftovers({ ledger: books.ledger, overEpoch, settle, clock, telemetry, signal }));
  }
  const end = async () => {
    stopping.abort();
    for (const loop of running) {
      await loop.catch((error: unknown) => {
        if (!life.crashed) throw error;
      });
    }
    await source.close();
    await ahead.close();
    await seals.close();
  };
  return {
    books,
    seals,
    shipper,
    stop: end,
    /** Nothing that happens from here on reaches the disk, as after a kill. */
    crash: () => {
      life.crashed = true;
      return end();
    },
  };
}

/** For tests: waits until it holds, for ten seconds at most. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

import type { Frame, MarkHead } from '../../storage/schema/record.ts';
import type { MarkReport } from '../../storage/schema/reservation.ts';
import type { ClockPort, SpoolPort } from './ports.ts';
import type { CompiledSnapshot } from './snapshot.ts';
import type { CountedRuns } from './uncounted-runs.ts';

/** Control, as far as marks need it. Both reject where it does not answer. */
export interface MarksPort {
  /** Rebuilds of counters that are open now. */
  openRebuilds(): Promise<readonly { tenant: string; counterEpoch: string }[]>;
  postMarks(reports: readonly MarkReport[]): Promise<void>;
}

export interface Marks {
  /** Looks at a snapshot that has just come into force: a tenant with another counter epoch than before is to be marked. */
  follow(snapshot: CompiledSnapshot): void;
  /** Marks what is to be marked and tells control, again until it acknowledges. Never rejects; called with every refresh. */
  tell(): Promise<void>;
  /**
   * The counter epoch under which nobody but who counts it knows of a run that is admitted now without counters. Empty while
   * a mark is still to come: the rebuild that it is made for knows of the run. A proxy that starts finds out by `tell`.
   */
  epochOf(tenant: string): string;
}

interface MarksInput {
  runs: Pick<CountedRuns, 'quiet' | 'take'>;
  spool: Pick<SpoolPort, 'proxyId' | 'epoch' | 'nextSeq' | 'append'>;
  control: MarksPort;
  clock: ClockPort;
  onFailure: (what: string, error: unknown) => void;
}

/**
 * Answers new counter epochs: control takes one where Redis has lost a tenant's counters, and rebuilds them from the
 * records before each proxy's mark and from what each says was open at it.
 *
 * The mark stands in the spool between the last record that was settled against the old counters and the first that can
 * be against the new ones: from the moment the manifest is in force everything reserves under the new epoch, which Redis
 * refuses until control has restored it, and calls under the old one are waited for before the mark is made.
 *
 * A proxy that starts cannot know whether it missed an epoch: it asks control once which rebuilds are open.
 */
export function createMarks(input: MarksInput): Marks {
  const marker = new Marker(input);
  return {
    follow: (snapshot) => marker.follow(snapshot),
    tell: () => marker.tell(),
    epochOf: (tenant) => marker.epochOf(tenant),
  };
}

class Marker implements Marks {
  readonly #input: MarksInput;
  /** What is in force here, by tenant. */
  readonly #epochs = new Map<string, string>();
  /** Tenants to be marked, with the epoch that they are to be marked for. */
  readonly #wanted = new Map<string, string>();
  /** The epoch that this process last marked a tenant for: a second mark would move the cut. */
  readonly #marked = new Map<string, string>();
  readonly #untold = new Map<string, MarkReport>();
  #hasAsked = false;
  #failing = false;
  #telling = false;
  #again = false;

  constructor(input: MarksInput) {
    this.#input = input;
  }

  follow(snapshot: CompiledSnapshot): void {
    for (const { ids } of snapshot.tenants.values()) {
      if (ids.counter_epoch === undefined) continue;
      const before = this.#epochs.get(ids.tenant);
      this.#epochs.set(ids.tenant, ids.counter_epoch);
      if (before !== undefined && before !== ids.counter_epoch) this.#wanted.set(ids.tenant, ids.counter_epoch);
    }
  }

  epochOf(tenant: string): string {
    return this.#wanted.has(tenant) ? '' : (this.#epochs.get(tenant) ?? '');
  }

  async tell(): Promise<void> {
    this.#again = this.#telling;
    if (this.#telling) return;
    this.#telling = true;
    try {
      do {
        this.#again = false;
        await this.#tellOnce();
      } while (this.#again);
      this.#failing = false;
    } catch (error) {
      // It is tried twice a second: only the first failure in a row is news.
      if (!this.#failing) this.#input.onFailure('marks', error);
      this.#failing = true;
    } finally {
      this.#telling = false;
    }
  }

  async #tellOnce(): Promise<void> {
    if (!this.#hasAsked) await this.#ask();
    for (const [tenant, counterEpoch] of this.#wanted) await this.#mark(tenant, counterEpoch);
    const reports = [...this.#untold.values()];
    if (reports.length === 0) return;
    await this.#input.control.postMarks(reports);
    for (const report of reports) if (this.#untold.get(report.tenant) === report) this.#untold.delete(report.tenant);
  }

  /** Asks again while a rebuild is for an epoch that has not reached this proxy. */
  async #ask(): Promise<void> {
    const rebuilds = await this.#input.control.openRebuilds();
    const isHere = rebuilds.map(({ tenant, counterEpoch }) => this.#epochs.get(tenant) === counterEpoch);
    rebuilds.forEach(({ tenant, counterEpoch }, at) => {
      if (isHere[at] && this.#marked.get(tenant) !== counterEpoch) this.#wanted.set(tenant, counterEpoch);
    });
    this.#hasAsked = isHere.every(Boolean);
  }

  async #mark(tenant: string, counterEpoch: string): Promise<void> {
    const { runs, spool, clock } = this.#input;
    await runs.quiet(tenant);
    if (this.#wanted.get(tenant) !== counterEpoch) return;
    // From here to the report nothing may come in between: it says what stands before the frame, and what is open at it.
    const { proxyId, epoch: proxyEpoch } = spool;
    const lastSeq = spool.nextSeq() - 1;
    spool.append(makeFrame({ v: 1, kind: 'mark', tenant, counter_epoch: counterEpoch, at_ms: clock.nowMs() }));
    this.#wanted.delete(tenant);
    this.#marked.set(tenant, counterEpoch);
    this.#untold.set(tenant, { proxyId, proxyEpoch, tenant, counterEpoch, lastSeq, open: runs.take(tenant) });
  }
}

function makeFrame(head: MarkHead): Frame {
  return { kind: 'mark', seq: 0, head: Buffer.from(JSON.stringify(head)), tail: Buffer.alloc(0) };
}

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
export function createMarks(input: {
  runs: Pick<CountedRuns, 'quiet' | 'take'>;
  spool: Pick<SpoolPort, 'proxyId' | 'epoch' | 'nextSeq' | 'append'>;
  control: MarksPort;
  clock: ClockPort;
  onFailure: (what: string, error: unknown) => void;
}): Marks {
  const epochs = new Map<string, string>();
  /** Tenants to be marked, with the epoch that they are to be marked for. */
  const wanted = new Map<string, string>();
  /** The epoch that this process last marked a tenant for: a second mark would move the cut. */
  const marked = new Map<string, string>();
  const untold = new Map<string, MarkReport>();
  let hasAsked = false;
  let failing = false;
  let telling = false;
  let again = false;

  async function markOne(tenant: string, counterEpoch: string): Promise<void> {
    await input.runs.quiet(tenant);
    if (wanted.get(tenant) !== counterEpoch) return;
    const { proxyId, epoch: proxyEpoch } = input.spool;
    const lastSeq = input.spool.nextSeq() - 1;
    input.spool.append(
      makeFrame({ v: 1, kind: 'mark', tenant, counter_epoch: counterEpoch, at_ms: input.clock.nowMs() }),
    );
    wanted.delete(tenant);
    marked.set(tenant, counterEpoch);
    untold.set(tenant, { proxyId, proxyEpoch, tenant, counterEpoch, lastSeq, open: input.runs.take(tenant) });
  }

  /** Asks again while a rebuild is for an epoch that has not reached this proxy. */
  async function ask(): Promise<void> {
    const rebuilds = await input.control.openRebuilds();
    for (const { tenant, counterEpoch } of rebuilds) {
      const isHere = epochs.get(tenant) === counterEpoch;
      if (isHere && marked.get(tenant) !== counterEpoch) wanted.set(tenant, counterEpoch);
    }
    hasAsked = rebuilds.every(({ tenant, counterEpoch }) => epochs.get(tenant) === counterEpoch);
  }

  async function tellOnce(): Promise<void> {
    if (!hasAsked) await ask();
    for (const [tenant, counterEpoch] of wanted) await markOne(tenant, counterEpoch);
    const reports = [...untold.values()];
    if (reports.length === 0) return;
    await input.control.postMarks(reports);
    for (const report of reports) if (untold.get(report.tenant) === report) untold.delete(report.tenant);
  }

  return {
    follow(snapshot) {
      for (const { ids } of snapshot.tenants.values()) {
        if (ids.counter_epoch === undefined) continue;
        const before = epochs.get(ids.tenant);
        epochs.set(ids.tenant, ids.counter_epoch);
        if (before !== undefined && before !== ids.counter_epoch) wanted.set(ids.tenant, ids.counter_epoch);
      }
    },
    async tell() {
      again = telling;
      if (telling) return;
      telling = true;
      try {
        do {
          again = false;
          await tellOnce();
        } while (again);
        failing = false;
      } catch (error) {
        // It is tried twice a second: only the first failure in a row is news.
        if (!failing) input.onFailure('marks', error);
        failing = true;
      } finally {
        telling = false;
      }
    },
  };
}

function makeFrame(head: MarkHead): Frame {
  return { kind: 'mark', seq: 0, head: Buffer.from(JSON.stringify(head)), tail: Buffer.alloc(0) };
}

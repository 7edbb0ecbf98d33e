import type { SpoolReport } from '../../storage/schema/live.ts';
import { computeBackoffMs } from './backoff.ts';
import type { Books } from './books.ts';
import { waitFor } from './delivery.ts';
import type { PostReport, ShipperClock, ShipperTelemetry, SpoolHealth, SpoolSource } from './ports.ts';

const lookEveryMs = 250;
const reportEveryMs = 2000;
/** A proxy whose records were seen this recently runs; asking for its lock costs a process. */
const quietMs = 5000;

export interface ReportingInput {
  proxyId: string;
  books: Books;
  source: SpoolSource;
  health: SpoolHealth;
  post: PostReport;
  backlogBytes: () => number;
  oldestAtMs: () => number | null;
  lastFrameAtMs: () => number;
  clock: ShipperClock;
  telemetry: ShipperTelemetry;
}

/**
 * Tells control every two seconds, and as soon as a mark is passed, how the spool stands, until `signal` is aborted. Control
 * that does not answer is asked again ever later, at most every 30 s; shipping waits for none of it. Never rejects.
 */
export async function reportSpool(input: ReportingInput & { signal: AbortSignal }): Promise<void> {
  const { books, clock, telemetry, signal } = input;
  let untilMs = 0;
  let reported: unknown = null;
  let failures = 0;
  while (!signal.aborted) {
    const nowMs = clock.nowMs();
    const { marks } = books.state;
    if (nowMs >= untilMs || (marks !== reported && failures === 0)) {
      try {
        await input.post(await describeSpool(input));
        reported = marks;
        failures = 0;
        untilMs = nowMs + reportEveryMs;
      } catch (error) {
        failures += 1;
        untilMs = clock.nowMs() + Math.max(reportEveryMs, computeBackoffMs(failures, clock.random()));
        telemetry.failed('report', error);
      }
    }
    await waitFor(lookEveryMs, signal);
  }
}

/** How the spool stands now. Rejects where its folder cannot be read. */
export async function describeSpool(input: ReportingInput): Promise<SpoolReport> {
  const { books, source, health, clock } = input;
  const { totals, marks } = books.state;
  const epoch = await source.newestEpoch();
  const atMs = clock.nowMs();
  const running = atMs - input.lastFrameAtMs() < quietMs || (epoch > 0 && !(await source.isEpochOver(epoch)));
  return {
    proxy_id: input.proxyId,
    proxy_epoch: epoch,
    at_ms: atMs,
    running,
    backlog_bytes: input.backlogBytes(),
    oldest_at_ms: input.oldestAtMs(),
    open_runs: books.ledger.openCount,
    unsettled_runs: books.ledger.unsettledCount,
    damaged_frames: totals.damagedFrames,
    torn_tails: totals.tornTails,
    missing_segments: totals.missingSegments,
    refused_rows: totals.refusedRows,
    quarantined_bytes: await health.quarantinedBytes(),
    lost_leases: await health.lostLeases(),
    marks: Object.entries(marks).map(([tenant, counterEpoch]) => ({ tenant, counter_epoch: counterEpoch })),
  };
}

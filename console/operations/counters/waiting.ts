import type { CounterMarkRow, CounterRebuildRow, SpoolRow } from '../../../storage/schema/control.ts';
import type { SpoolReport } from '../../../storage/schema/live.ts';

/** Why a spool cannot answer yet. */
export type WaitReason = 'no_report' | 'silent' | 'not_marked' | 'behind' | 'open_runs';

/** What is missing and what to do, for people. */
export const waitWords: Readonly<Record<WaitReason, string>> = {
  no_report: 'no shipper has reported on its spool; is one running beside it, and does it reach control?',
  silent: 'its shipper is silent; is it running, does it reach control?',
  not_marked: 'the proxy has not answered; is it stopped, does it reach control?',
  behind: 'its spool is not shipped yet; does ClickHouse take batches?',
  open_runs: 'runs of its dead proxy are not closed yet; its shipper does that once its lock is free',
};

/** One spool that a rebuild waits for. */
export interface Waited {
  proxy: string;
  why: WaitReason;
}

/** A proxy counts as alive for this long after its last sign, which Redis itself forgets after ten seconds. */
export const aliveMs = 15_000;
/** A shipper reports every two seconds. */
export const silentMs = 10_000;

export interface RebuildView {
  rebuild: Pick<CounterRebuildRow, 'tenant' | 'counter_epoch' | 'accepted'>;
  spools: readonly SpoolRow[];
  marks: readonly CounterMarkRow[];
  nowMs: number;
}

/**
 * The spools whose records cannot be summed yet, by proxy: the sum is complete once every spool is delivered up to its
 * mark, or is drained and written by nobody. What an operator accepted as a gap is not waited for.
 */
export function listWaiting(view: RebuildView): Waited[] {
  const accepted = JSON.parse(view.rebuild.accepted) as readonly string[];
  const waiting: Waited[] = [];
  for (const spool of view.spools) {
    if (accepted.includes(spool.proxy_id)) continue;
    const why = findReason(spool, view);
    if (why !== null) waiting.push({ proxy: spool.proxy_id, why });
  }
  return waiting;
}

/** The last report of a spool, or null. */
export function readReport(spool: SpoolRow): SpoolReport | null {
  return spool.report === null ? null : (JSON.parse(spool.report) as SpoolReport);
}

function findReason(spool: SpoolRow, { rebuild, marks, nowMs }: RebuildView): WaitReason | null {
  const report = readReport(spool);
  if (report === null || spool.reported_at_ms === null) return 'no_report';
  const isAlive = spool.live_at_ms !== null && nowMs - spool.live_at_ms < aliveMs;
  const isOver = !report.running && !isAlive && spool.reported_at_ms >= (spool.live_at_ms ?? 0);
  const newest = Math.max(report.proxy_epoch, spool.live_epoch ?? 0);
  const isMarked = marks.some((mark) => mark.proxy_id === spool.proxy_id && mark.proxy_epoch === newest);
  const hasPassed = report.marks.some(
    (mark) => mark.tenant === rebuild.tenant && mark.counter_epoch === rebuild.counter_epoch,
  );
  if (isMarked && hasPassed) return null;
  if (isOver && report.backlog_bytes === 0 && report.open_runs === 0) return null;
  if (nowMs - spool.reported_at_ms > silentMs) return 'silent';
  if (!isMarked && !isOver) return 'not_marked';
  return isOver && report.backlog_bytes === 0 ? 'open_runs' : 'behind';
}

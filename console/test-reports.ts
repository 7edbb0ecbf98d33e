import type { SpoolReport } from '../storage/schema/live.ts';

/** The report of a running shipper that has nothing left to ship and nothing to complain of. For tests. */
export function quietReport(set: Partial<SpoolReport> & Pick<SpoolReport, 'proxy_id' | 'at_ms'>): SpoolReport {
  return {
    proxy_epoch: 1,
    running: true,
    backlog_bytes: 0,
    oldest_at_ms: null,
    open_runs: 0,
    unsettled_runs: 0,
    damaged_frames: 0,
    torn_tails: 0,
    missing_segments: 0,
    refused_rows: 0,
    quarantined_bytes: 0,
    lost_leases: 0,
    marks: [],
    ...set,
  };
}

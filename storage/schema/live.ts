/** What a proxy says of itself once a second, kept in Redis for ten seconds. Times are Unix ms. */
export interface LiveState {
  proxy_id: string;
  proxy_epoch: number;
  at_ms: number;
  /** Id and sequence of the manifest in force; null before the first. */
  manifest_id: string | null;
  manifest_sequence: number | null;
  /** Runs under way. */
  running: number;
  /** Whether the proxy takes no new runs because it is about to end. */
  draining: boolean;
}

/** What a shipper says of its spool, to control, every few seconds. `proxy_epoch` is the newest. Times are Unix ms. */
export interface SpoolReport {
  proxy_id: string;
  proxy_epoch: number;
  at_ms: number;
  /** Whether a proxy holds the spool's lock. */
  running: boolean;
  backlog_bytes: number;
  oldest_at_ms: number | null;
  open_runs: number;
  unsettled_runs: number;
  /** Since the spool exists. */
  damaged_frames: number;
  torn_tails: number;
  missing_segments: number;
  refused_rows: number;
  quarantined_bytes: number;
  lost_leases: number;
  /** Counter epochs whose mark has been passed with everything before it delivered; also without a mark where the spool is drained and nobody writes it. */
  marks: readonly { tenant: string; counter_epoch: string }[];
}

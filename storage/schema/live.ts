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

/** How long ClickHouse keeps rows, by table; 0 for ever. Days. */
export interface RetentionDays {
  runs: number;
  records: number;
  payloads: number;
  rollup_minutes: number;
  rollup_days: number;
  /** ClickHouse's own log tables; at least 1. */
  system: number;
}

export type RetainedTable = Exclude<keyof RetentionDays, 'system'>;

export interface RetentionPort {
  /** What was configured. */
  days: RetentionDays;
  /** Answers whether it changed anything. Rewrites nothing. */
  set(table: RetainedTable, days: number): Promise<boolean>;
  /** Brings one partition from before a change up to date, and names it; null where none is left or one is under way. */
  renew(table: RetainedTable, days: number): Promise<string | null>;
  /** Answers the tables that it changed. */
  setSystem(days: number): Promise<readonly string[]>;
}

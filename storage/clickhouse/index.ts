export { type ClickHouse, connectClickHouse, pingClickHouse } from './connection.ts';
export { insertBatch } from './insert.ts';
export { migrateClickHouse, readPendingMigrations } from './migrate.ts';
export { readAbandoned } from './read-abandoned.ts';
export { type DecidedRun, type DecisionsQuery, readDecisions } from './read-decisions.ts';
export { type RunFilter, type RunsPageQuery, readRunsPage } from './read-page.ts';
export { type RollupQuery, type RollupRow, readRollup } from './read-rollup.ts';
export { type RunDetail, readRun } from './read-run.ts';
export { readSequenceGaps, type SequenceState } from './read-sequences.ts';
export { type RetainedTable, renewExpiry, setRetention, setSystemRetention } from './retention.ts';
export {
  computeRollupDays,
  computeRollupMinutes,
  markRunTouches,
  type RunTouch,
  readRollupsFreshness,
  readRunTouches,
  touchUncoveredMinutes,
} from './rollup.ts';
export { streamRuns } from './stream-runs.ts';
export { type ChargedLimit, type ChargeQuery, type ChargeSum, sumCharges } from './sum-charges.ts';

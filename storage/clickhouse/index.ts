export { type ClickHouse, connectClickHouse, pingClickHouse } from './connection.ts';
export { insertBatch } from './insert.ts';
export { migrateClickHouse, readPendingMigrations } from './migrate.ts';
export { type RunFilter, type RunsPageQuery, readRunsPage } from './read-page.ts';
export { type RunDetail, readRun } from './read-run.ts';
export { readMaxSeq, readSequenceGaps, readUnboundedLogTables, type SequenceState } from './read-sequences.ts';
export { type RunSums, sumRuns } from './read-sums.ts';
export { type Batch, type PayloadRow, type RecordRow, type RunVersionRow, runVersions } from './rows.ts';
export { countRuns, streamRuns } from './stream-runs.ts';

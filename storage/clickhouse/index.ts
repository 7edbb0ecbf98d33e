export { type ClickHouse, connectClickHouse, pingClickHouse } from './connection.ts';
export { insertBatch } from './insert.ts';
export { migrateClickHouse, readPendingMigrations } from './migrate.ts';
export { type RunFilter, type RunsPageQuery, readRunsPage } from './read-page.ts';
export { type RunDetail, readRun } from './read-run.ts';
export { readSequenceGaps, type SequenceState } from './read-sequences.ts';
export { streamRuns } from './stream-runs.ts';

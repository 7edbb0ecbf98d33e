import { type RollupColumn, rollupDimensions, rollupMeasures } from './rollup-columns.ts';

// What was computed is on disk before the touches that asked for it are marked as done.
const durable = 'fsync_after_insert = 1, fsync_part_directory = 1';

const fields = [...rollupDimensions, ...rollupMeasures]
  .map(({ name, type }: RollupColumn) => `${name} ${type}`)
  .join(', ');

// One row holds all groups of a tenant's minute, so that a new row replaces every group of the old one at once, also
// those that are no more. The highest coverage stands; see `rollup.ts`.
function rollupTable(name: string, partition: string): string {
  return `
CREATE TABLE IF NOT EXISTS ${name} (
  tenant LowCardinality(String),
  at DateTime('UTC'),
  coverage UInt64,
  groups Array(Tuple(${fields}))
)
ENGINE = ReplacingMergeTree(coverage)
PARTITION BY ${partition}
ORDER BY (tenant, at)
SETTINGS ${durable}`;
}

// One row says that a batch of runs is stored, and in which minutes (since 1970) its ended runs began; \`done\` once they
// are in the rollups. It follows the runs of its batch, before the batch counts as inserted.
const touches = `
CREATE TABLE IF NOT EXISTS run_touches (
  batch_id String,
  done UInt8,
  minutes Array(UInt32),
  at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(done)
ORDER BY batch_id
TTL toDateTime(at) + INTERVAL 2 DAY DELETE WHERE done = 1
SETTINGS non_replicated_deduplication_window = 10000, ${durable}`;

const runsFromBefore = `
INSERT INTO run_touches (batch_id, done, minutes)
SELECT concat('before-rollups-', toString(toDate(started_at))), 0,
  groupUniqArray(toUInt32(intDiv(toUnixTimestamp64Milli(started_at), 60000)))
FROM runs WHERE version >= 2 AND started_at >= toDateTime64('1970-01-01 00:00:00', 3, 'UTC') GROUP BY toDate(started_at)`;

/** The tables of the rollups, and what makes them cover runs that were stored before there were any. */
export const rollupTables: readonly string[] = [
  rollupTable('rollup_minutes', 'toYYYYMM(at)'),
  rollupTable('rollup_days', 'toYear(at)'),
  touches,
  runsFromBefore,
];

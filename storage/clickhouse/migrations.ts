import { rollupTables } from './rollup-tables.ts';

/** One step of the schema. Landed steps never change; a change is a new step. Each statement can be run twice. */
export interface Migration {
  id: string;
  statements: readonly string[];
}

// A retried batch is dropped by its token within this many inserted blocks; after that the sorting key still makes it one.
const deduplication = 'non_replicated_deduplication_window = 10000';
// An acknowledged row is on disk: the shipper deletes its spool segment at the acknowledgement.
const durable = 'fsync_after_insert = 1, fsync_part_directory = 1';

const records = `
CREATE TABLE IF NOT EXISTS records (
  tenant LowCardinality(String),
  proxy_id LowCardinality(String),
  proxy_epoch UInt32,
  proxy_seq UInt64,
  kind LowCardinality(String),
  run_id String,
  at_ms DateTime64(3, 'UTC'),
  raw String CODEC(ZSTD(1)),
  leaf_hash FixedString(64),
  batch_id String,
  INDEX records_by_run run_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at_ms)
ORDER BY (tenant, proxy_id, proxy_epoch, proxy_seq)
SETTINGS ${deduplication}, ${durable}`;

// The partition comes from the time inside the run's id, which all versions of a run share. Ids sort by time as text.
const runs = `
CREATE TABLE IF NOT EXISTS runs (
  tenant LowCardinality(String),
  run_id String,
  version UInt8,
  status LowCardinality(String),
  session_id Nullable(String),
  sub_tenant LowCardinality(Nullable(String)),
  key_id LowCardinality(Nullable(String)),
  actor_type LowCardinality(Nullable(String)),
  actor_id Nullable(String),
  actor_source LowCardinality(Nullable(String)),
  provider LowCardinality(Nullable(String)),
  dialect LowCardinality(Nullable(String)),
  model LowCardinality(Nullable(String)),
  tags Map(String, String),
  outcome LowCardinality(Nullable(String)),
  proximity LowCardinality(Nullable(String)),
  verdict LowCardinality(String),
  decided_by LowCardinality(Nullable(String)),
  input_tokens Nullable(Int64),
  output_tokens Nullable(Int64),
  cached_input_tokens Nullable(Int64),
  cache_write_tokens Nullable(Int64),
  reasoning_tokens Nullable(Int64),
  usage_source LowCardinality(String),
  cost_nano_usd Nullable(Int64),
  latency_ms Nullable(Float64),
  ttft_ms Nullable(Float64),
  snapshot_id LowCardinality(Nullable(String)),
  context_digest Nullable(String),
  decision_digest Nullable(String),
  altered Bool,
  started_at DateTime64(3, 'UTC'),
  ended_at Nullable(DateTime64(3, 'UTC')),
  reserved_nano_usd Nullable(Int64),
  estimated_input_tokens Nullable(Int64),
  estimated_output_tokens Nullable(Int64),
  count UInt64,
  marks Array(LowCardinality(String)),
  refusal_code LowCardinality(Nullable(String)),
  reason Nullable(String),
  http_status Nullable(UInt16),
  method LowCardinality(Nullable(String)),
  route LowCardinality(Nullable(String)),
  streamed Bool,
  request_bytes UInt64,
  response_bytes UInt64,
  \`events.stage\` Array(LowCardinality(String)),
  \`events.at_us\` Array(UInt64),
  \`events.detail\` Array(LowCardinality(String)),
  context Nullable(String) CODEC(ZSTD(1)),
  decision Nullable(String) CODEC(ZSTD(1)),
  actor_salt Nullable(String),
  session_salt Nullable(String),
  tags_salt Nullable(String),
  context_salt Nullable(String),
  request_salt Nullable(String),
  response_salt Nullable(String),
  proxy_id LowCardinality(String),
  proxy_epoch UInt32,
  proxy_seq UInt64,
  leaf_hash String,
  batch_id String,
  INDEX runs_by_id run_id TYPE minmax GRANULARITY 1,
  INDEX runs_by_start started_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(UUIDv7ToDateTime(toUUIDOrZero(run_id), 'UTC'))
ORDER BY (tenant, run_id)
SETTINGS ${deduplication}, ${durable}`;

const payloads = `
CREATE TABLE IF NOT EXISTS payloads (
  tenant LowCardinality(String),
  run_id String,
  part LowCardinality(String),
  content_type LowCardinality(Nullable(String)),
  content_encoding LowCardinality(Nullable(String)),
  whole_bytes UInt64,
  stored_bytes UInt64,
  body String CODEC(ZSTD(1)),
  batch_id String,
  received_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(UUIDv7ToDateTime(toUUIDOrZero(run_id), 'UTC'))
ORDER BY (tenant, run_id, part)
SETTINGS ${deduplication}, ${durable}`;

const events = `
CREATE VIEW IF NOT EXISTS events AS
SELECT tenant, run_id, started_at, position, stage, at_us, detail
FROM (SELECT * FROM runs FINAL)
ARRAY JOIN
  arrayEnumerate(\`events.stage\`) AS position,
  \`events.stage\` AS stage,
  \`events.at_us\` AS at_us,
  \`events.detail\` AS detail`;

// Without a default that is computed: parts from before hold none of it, and read as empty.
const limits = `
ALTER TABLE runs
  ADD COLUMN IF NOT EXISTS \`limits.id\` Array(LowCardinality(String)),
  ADD COLUMN IF NOT EXISTS \`limits.reserved\` Array(Int64),
  ADD COLUMN IF NOT EXISTS \`limits.settled\` Array(Int64),
  ADD COLUMN IF NOT EXISTS \`limits.taken\` Array(Nullable(Int64)),
  ADD COLUMN IF NOT EXISTS \`limits.ceiling\` Array(Int64),
  ADD COLUMN IF NOT EXISTS \`limits.near\` Array(Bool)`;

const mediaTokens = `
ALTER TABLE runs
  ADD COLUMN IF NOT EXISTS cache_write_1h_tokens Nullable(Int64),
  ADD COLUMN IF NOT EXISTS input_audio_tokens Nullable(Int64),
  ADD COLUMN IF NOT EXISTS cached_audio_tokens Nullable(Int64),
  ADD COLUMN IF NOT EXISTS output_audio_tokens Nullable(Int64),
  ADD COLUMN IF NOT EXISTS input_image_tokens Nullable(Int64),
  ADD COLUMN IF NOT EXISTS output_image_tokens Nullable(Int64)`;

// In what was stored before, every limit of a run reads 0 here: it counts from the run's own reserve instant on.
const limitPlaces = 'ALTER TABLE runs ADD COLUMN IF NOT EXISTS `limits.since_ms` Array(Int64)';

// A changed expiry is told to old parts without rewriting them, and a part is rewritten for its expired rows once a day
// at most.
const calmExpiry = ['runs', 'records', 'payloads', 'rollup_minutes', 'rollup_days'].map(
  (table) => `ALTER TABLE ${table} MODIFY SETTING materialize_ttl_recalculate_only = 1, merge_with_ttl_timeout = 86400`,
);

const phaseDecisions = 'ALTER TABLE runs ADD COLUMN IF NOT EXISTS decisions Nullable(String) CODEC(ZSTD(1))';

const redactedPayloads = 'ALTER TABLE payloads ADD COLUMN IF NOT EXISTS redacted Bool';

/** Every step, in order. */
export const migrations: readonly Migration[] = [
  { id: '0001_records', statements: [records] },
  { id: '0002_runs', statements: [runs, events] },
  { id: '0003_payloads', statements: [payloads] },
  { id: '0004_run_limits', statements: [limits, mediaTokens] },
  { id: '0005_rollups', statements: rollupTables },
  { id: '0006_expiry', statements: calmExpiry },
  { id: '0007_limit_places', statements: [limitPlaces] },
  { id: '0008_phase_decisions', statements: [phaseDecisions] },
  { id: '0009_redacted_payloads', statements: [redactedPayloads] },
];

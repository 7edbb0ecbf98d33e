/** A column of a rollup's group. */
export interface RollupColumn {
  name: string;
  type: string;
}

/** A figure of a rollup: its aggregate over runs, and over groups of smaller rollups (`{}` stands for the figure there). */
export interface RollupMeasure extends RollupColumn {
  ofRuns: string;
  ofGroups: string;
}

const word = 'LowCardinality(Nullable(String))';

/** What runs are grouped by, beside tenant and time; each is a column of `runs`. Nothing that names a person. */
export const rollupDimensions: readonly RollupColumn[] = [
  { name: 'sub_tenant', type: word },
  { name: 'key_id', type: word },
  { name: 'actor_type', type: word },
  { name: 'provider', type: word },
  { name: 'model', type: word },
  { name: 'status', type: 'LowCardinality(String)' },
  { name: 'outcome', type: word },
  { name: 'proximity', type: word },
  { name: 'verdict', type: 'LowCardinality(String)' },
];

/** Upper ends of the buckets that `latency_le` and `ttft_le` count, ms. Counts are cumulative, as in Prometheus. */
export const latencyBoundsMs: readonly number[] = [
  1, 2, 5, 10, 20, 35, 50, 75, 100, 150, 200, 350, 500, 750, 1000, 1500, 2000, 3500, 5000, 7500, 10_000, 20_000, 60_000,
  300_000,
];

// 128 bits: a thousand runs of the largest amounts pass 2^63.
function exactSum(name: string, of: string = name): RollupMeasure {
  return { name, type: 'Int128', ofRuns: `sum(toInt128(ifNull(${of}, 0)))`, ofGroups: 'sum({})' };
}

function count(name: string, ofRuns: string): RollupMeasure {
  return { name, type: 'UInt64', ofRuns, ofGroups: 'sum({})' };
}

function buckets(name: string, of: string): RollupMeasure {
  const bounds = `[${latencyBoundsMs.map((bound) => `toFloat64(${bound})`).join(', ')}]`;
  const ofRuns = `sumForEach(arrayMap(bound -> toUInt64(ifNull(${of} <= bound, 0)), ${bounds}))`;
  return { name, type: 'Array(UInt64)', ofRuns, ofGroups: 'sumForEach({})' };
}

/**
 * The figures of a group. Sums of money and tokens are exact, and so are times: each run's is rounded to whole
 * microseconds before it is added, since sums of floats depend on their order.
 */
export const rollupMeasures: readonly RollupMeasure[] = [
  count('runs', 'sum(count)'),
  count('records', 'count()'),
  exactSum('cost_nano_usd'),
  count('unpriced', 'countIf(cost_nano_usd IS NULL)'),
  exactSum('reserved_nano_usd'),
  exactSum('input_tokens'),
  exactSum('output_tokens'),
  exactSum('cached_input_tokens'),
  exactSum('cache_write_tokens'),
  exactSum('reasoning_tokens'),
  count('estimated', "countIf(usage_source = 'estimated')"),
  count('altered', 'countIf(altered)'),
  count('overruns', "countIf(has(marks, 'overrun'))"),
  exactSum('request_bytes'),
  exactSum('response_bytes'),
  exactSum('latency_us', 'round(latency_ms * 1000)'),
  count('latency_runs', 'count(latency_ms)'),
  buckets('latency_le', 'latency_ms'),
  exactSum('ttft_us', 'round(ttft_ms * 1000)'),
  count('ttft_runs', 'count(ttft_ms)'),
  buckets('ttft_le', 'ttft_ms'),
];

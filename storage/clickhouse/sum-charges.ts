import type { TenantScope } from '../schema/scope.ts';
import type { ActorType, LimitDimension } from '../schema/snapshot.ts';
import type { ClickHouse } from './connection.ts';
import { leastId, readIdWindows, windowCondition, windowParameters } from './id-windows.ts';
import { scopeCondition, selectRows } from './select.ts';

/** Charges of one limit to sum: all since `sinceMs`, or those of each bucket of `bucketMs` apart. */
export interface ChargedLimit {
  id: string;
  by: readonly LimitDimension[];
  /** Unix ms; charges of that instant count. */
  sinceMs: number;
  /** Width of a rolling window's bucket, aligned to 1970; null for one sum. */
  bucketMs: number | null;
}

/** Of one proxy epoch only records up to `lastSeq` count. */
export interface ChargeCut {
  proxyId: string;
  proxyEpoch: number;
  lastSeq: number;
}

export interface ChargeQuery {
  /** Each id once. */
  limits: readonly ChargedLimit[];
  cuts: readonly ChargeCut[];
}

/** What one subject of a limit was charged in one bucket. Columns that the limit is not split by are null, or left out of `tags`. */
export interface ChargeSum {
  limitId: string;
  /** Start of the bucket, or the limit's `sinceMs`. Unix ms. */
  atMs: number;
  subTenant: string | null;
  keyId: string | null;
  actorType: ActorType | null;
  actorId: string | null;
  provider: string | null;
  model: string | null;
  tags: Readonly<Record<string, string>>;
  settled: bigint;
}

/** Rows that one query sums. */
const windowRows = 500_000;
/** A held run reserves at most this much later than it starts; its id has the time of its start. */
const longestHoldMs = 7 * 24 * 3_600_000;

// A run counts in the window of the instant it was reserved at, which can be long after it started: its `reserve` event.
// One that has outlived that window counts since the instant on its charge.
const instant = `if(since_ms != 0, since_ms, toUnixTimestamp64Milli(started_at)
  + intDiv(toInt64(\`events.at_us\`[indexOf(\`events.stage\`, 'reserve')]), 1000))`;

const splitColumns = {
  sub_tenant: 'subTenant',
  key_id: 'key',
  actor_type: 'actor',
  actor_id: 'actor',
  provider: 'provider',
  model: 'model',
} as const satisfies Record<string, LimitDimension>;

/**
 * Sums what ended runs were charged, by limit, subject and bucket: every run once, in the version that stands.
 *
 * The engine sums windows of half a million rows one after the other, so that any number of runs takes bounded memory and
 * no query runs long; here only the sums are added up. Runs whose proxy's records go past a cut are left out. Rejects
 * with HocError `engine_unavailable`.
 */
export async function sumCharges(ch: ClickHouse, scope: TenantScope, query: ChargeQuery): Promise<ChargeSum[]> {
  if (query.limits.length === 0) return [];
  const { condition, parameters } = scopeCondition(scope);
  const fromMs = Math.min(...query.limits.map((limit) => limit.sinceMs)) - longestHoldMs;
  const described = { ...parameters, ...describe(query) };
  const sums = new Map<string, ChargeSum>();
  for (const window of await readIdWindows(ch, scope, { from: leastId(fromMs), rows: windowRows })) {
    const rows = await selectRows(ch, {
      sql: `${sumOfWindow} ${condition} AND ${windowCondition(window)})
        WHERE instant >= {since:Array(Int64)}[place] GROUP BY limit_id, bucket, ${splitNames.join(', ')}, split_tags`,
      parameters: { ...described, ...windowParameters(window) },
      batch: true,
    });
    for (const row of rows) {
      const name = JSON.stringify(row.slice(0, -1));
      const sum = readSum(row);
      const sofar = sums.get(name)?.settled ?? 0n;
      sums.set(name, { ...sum, settled: sofar + sum.settled });
    }
  }
  return [...sums.values()];
}

const cutPlace = "indexOf({cut_epochs:Array(String)}, concat(proxy_id, '\\n', toString(proxy_epoch)))";
/** Condition on a row of `runs` that no cut leaves it out; takes the parameters of `describeCuts`. */
export const notCut = `(${cutPlace} = 0 OR proxy_seq <= {cut_seqs:Array(Int64)}[${cutPlace}])`;

const splits = Object.keys(splitColumns);
const splitNames = splits.map((column) => `split_${column}`);

// Of a run's versions the intent can never stand where another is there: it may be dropped before versions are compared.
const sumOfWindow = `SELECT limit_id,
    if({buckets:Array(Int64)}[place] = 0, {since:Array(Int64)}[place],
      intDiv(instant, {buckets:Array(Int64)}[place]) * {buckets:Array(Int64)}[place]) AS bucket,
    ${splits.map((column) => `if(has({by_${column}:Array(String)}, limit_id), ${column}, NULL) AS split_${column}`).join(', ')},
    arraySort(arrayFilter(pair -> has({by_tags:Array(String)}, concat(limit_id, '\n', pair.1)), tag_pairs)) AS split_tags,
    sum(toInt128(charge)) AS settled
  FROM (
    SELECT limit_id, charge, indexOf({ids:Array(String)}, limit_id) AS place, ${instant} AS instant,
      CAST(tags, 'Array(Tuple(String, String))') AS tag_pairs, ${splits.join(', ')}
    FROM runs FINAL
    ARRAY JOIN \`limits.id\` AS limit_id, \`limits.settled\` AS charge, \`limits.since_ms\` AS since_ms
    PREWHERE version >= 2
    WHERE charge != 0 AND has({ids:Array(String)}, limit_id) AND ${notCut} AND`;

function describe({ limits, cuts }: ChargeQuery): Record<string, unknown> {
  const by: Record<string, string[]> = {};
  for (const [column, dimension] of Object.entries(splitColumns)) {
    by[`by_${column}`] = limits.filter((limit) => limit.by.includes(dimension)).map((limit) => limit.id);
  }
  const tagPairs = limits.flatMap((limit) =>
    limit.by.filter((name) => name.startsWith('tag:')).map((name) => `${limit.id}\n${name.slice('tag:'.length)}`),
  );
  return {
    ...by,
    by_tags: tagPairs,
    ids: limits.map((limit) => limit.id),
    since: limits.map((limit) => limit.sinceMs),
    buckets: limits.map((limit) => limit.bucketMs ?? 0),
    ...describeCuts(cuts),
  };
}

/** The parameters of `notCut`. */
export function describeCuts(cuts: readonly ChargeCut[]): Record<string, unknown> {
  return {
    cut_epochs: cuts.map((cut) => `${cut.proxyId}\n${cut.proxyEpoch}`),
    cut_seqs: cuts.map((cut) => cut.lastSeq),
  };
}

function readSum(row: readonly unknown[]): ChargeSum {
  const [limitId, atMs, subTenant, keyId, actorType, actorId, provider, model, tags, settled] = row;
  const word = (value: unknown): string | null => (value === null ? null : String(value));
  return {
    limitId: String(limitId),
    atMs: Number(atMs),
    subTenant: word(subTenant),
    keyId: word(keyId),
    actorType: actorType as ActorType | null,
    actorId: word(actorId),
    provider: word(provider),
    model: word(model),
    tags: Object.fromEntries(tags as readonly [string, string][]),
    settled: BigInt(String(settled)),
  };
}

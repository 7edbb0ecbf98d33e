import type { Decision, DecisionContext } from '../schema/decision.ts';
import type { OpenDecision } from '../schema/record.ts';
import type { TenantScope } from '../schema/scope.ts';
import type { ClickHouse } from './connection.ts';
import { leastId } from './id-windows.ts';
import { scopeCondition, selectRows } from './select.ts';

/** What was decided of one run, and on what; null where it was not recorded, or was erased. */
export interface DecidedRun {
  run_id: string;
  tenant: string | null;
  snapshot_id: string | null;
  context: DecisionContext | null;
  context_digest: string | null;
  decision: Decision | null;
  decision_digest: string | null;
  /** One a phase; null where the decision above is the only one. */
  decisions: readonly OpenDecision[] | null;
}

export interface DecisionsQuery {
  /** Most runs of the page. */
  limit: number;
  /** Runs that began at that instant or later, Unix ms, by their ids. */
  sinceMs: number;
  /** Only runs with an id below this one; null for the newest. */
  below: string | null;
}

/** Stored versions a run has at most, most of the time; where it has more, the page is shorter and nothing is passed over. */
const versionsPerRun = 4;

/**
 * Reads the decisions of a page of runs, newest first by id, each in the version that stands, in one query: it looks at no more
 * rows of contexts than the page can come from. An empty page is the end. Rejects with HocError `engine_unavailable`.
 */
export async function readDecisions(
  ch: ClickHouse,
  scope: TenantScope,
  { limit, sinceMs, below }: DecisionsQuery,
): Promise<DecidedRun[]> {
  const { condition, parameters } = scopeCondition(scope);
  const range = `${condition} AND run_id >= {since:String}${below === null ? '' : ' AND run_id < {below:String}'}`;
  const order = `ORDER BY ${scope.kind === 'all' ? '' : 'tenant DESC, '}run_id DESC`;
  const rows = await selectRows(ch, {
    sql: `SELECT run_id, tenant, snapshot_id, context, context_digest, decision, decision_digest, decisions FROM runs FINAL
      WHERE ${range} AND run_id >= (SELECT min(run_id) FROM
        (SELECT run_id FROM runs WHERE ${range} ${order} LIMIT {versions:UInt32}))
      ORDER BY run_id DESC LIMIT {limit:UInt32}`,
    parameters: { ...parameters, since: leastId(sinceMs), below: below ?? '', limit, versions: limit * versionsPerRun },
    batch: true,
  });
  return rows.map(([runId, tenant, snapshotId, context, contextDigest, decision, decisionDigest, decisions]) => ({
    run_id: String(runId),
    tenant: tenant === '' ? null : String(tenant),
    snapshot_id: snapshotId as string | null,
    context: readJson<DecisionContext>(context),
    context_digest: contextDigest as string | null,
    decision: readJson<Decision>(decision),
    decision_digest: decisionDigest as string | null,
    decisions: readJson<readonly OpenDecision[]>(decisions),
  }));
}

function readJson<T>(value: unknown): T | null {
  return value === null || value === undefined ? null : (JSON.parse(String(value)) as T);
}

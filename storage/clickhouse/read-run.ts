import type { Decision, DecisionContext } from '../schema/decision.ts';
import type { OpenDecision, PayloadHead } from '../schema/record.ts';
import type { PayloadRow, RecordRow, RunVersionRow } from '../schema/rows.ts';
import type { TenantScope } from '../schema/scope.ts';
import type { ClickHouse } from './connection.ts';
import { readWholeRun, wholeRunSelect } from './run-columns.ts';
import { scopeCondition, selectRows } from './select.ts';

/** Everything that is recorded of one run. */
export interface RunDetail {
  run: Omit<RunVersionRow, 'context' | 'decision' | 'decisions'>;
  /** Null where none was recorded, or where it was erased. */
  context: DecisionContext | null;
  decision: Decision | null;
  /** One a phase; null where the decision above is the only one, or where they were erased. */
  decisions: readonly OpenDecision[] | null;
  payloads: PayloadRow[];
  /** The sealed records that name this run, in the order of the proxy's sequence. */
  records: RecordRow[];
}

/**
 * Reads one run in the version that stands, with its payloads and its proof; null where the scope holds none of that id.
 * Rejects with HocError `engine_unavailable`.
 */
export async function readRun(ch: ClickHouse, scope: TenantScope, runId: string): Promise<RunDetail | null> {
  const { condition, parameters } = scopeCondition(scope);
  const [row] = await selectRows(ch, {
    sql: `SELECT ${wholeRunSelect} FROM runs FINAL WHERE ${condition} AND run_id = {run_id:String} LIMIT 1`,
    parameters: { ...parameters, run_id: runId },
  });
  if (row === undefined) return null;
  const { context, decision, decisions, ...run } = readWholeRun(row);
  // From here on the run's own tenant: it is inside the scope, and it is what the tables are sorted by.
  const found = { tenant: run.tenant ?? '', run_id: runId };
  const [payloads, records] = await Promise.all([readPayloads(ch, found), readRecords(ch, found)]);
  return {
    run,
    context: context === null ? null : (JSON.parse(context) as DecisionContext),
    decision: decision === null ? null : (JSON.parse(decision) as Decision),
    decisions: decisions === null ? null : (JSON.parse(decisions) as OpenDecision[]),
    payloads,
    records,
  };
}

interface FoundRun {
  tenant: string;
  run_id: string;
}

const ofRun = 'tenant = {tenant:String} AND run_id = {run_id:String}';

async function readPayloads(ch: ClickHouse, found: FoundRun): Promise<PayloadRow[]> {
  const rows = await selectRows(ch, {
    sql: `SELECT tenant, run_id, part, content_type, content_encoding, whole_bytes, stored_bytes, redacted, base64Encode(body)
      FROM payloads FINAL WHERE ${ofRun} ORDER BY part`,
    parameters: { ...found },
  });
  return rows.map(([tenant, runId, part, contentType, contentEncoding, wholeBytes, storedBytes, redacted, body]) => ({
    tenant: String(tenant),
    run_id: String(runId),
    part: String(part) as PayloadHead['part'],
    content_type: contentType as string | null,
    content_encoding: contentEncoding as string | null,
    whole_bytes: Number(wholeBytes),
    stored_bytes: Number(storedBytes),
    ...(Number(redacted) === 1 || redacted === true ? { redacted: true as const } : {}),
    body: Buffer.from(String(body), 'base64'),
  }));
}

async function readRecords(ch: ClickHouse, found: FoundRun): Promise<RecordRow[]> {
  const rows = await selectRows(ch, {
    sql: `SELECT tenant, proxy_id, proxy_epoch, proxy_seq, kind, run_id, toUnixTimestamp64Milli(at_ms), raw, leaf_hash
      FROM records FINAL WHERE ${ofRun} ORDER BY proxy_id, proxy_epoch, proxy_seq`,
    parameters: { ...found },
  });
  return rows.map(([tenant, proxyId, epoch, seq, kind, runId, atMs, raw, leaf]) => ({
    tenant: String(tenant),
    proxy_id: String(proxyId),
    proxy_epoch: Number(epoch),
    proxy_seq: Number(seq),
    kind: String(kind),
    run_id: runId === '' ? null : String(runId),
    at_ms: Number(atMs),
    raw: String(raw),
    leaf_hash: String(leaf),
  }));
}

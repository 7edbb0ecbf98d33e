import { isUtf8 } from 'node:buffer';
import { unitOf } from '../../policy/limits/index.ts';
import type { Principal } from '../../storage/schema/control.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type { RunRow } from '../../storage/schema/run.ts';
import type { LimitEntry } from '../../storage/schema/snapshot.ts';
import type { RunsPage, RunsQuery, ShownPayload, ShownRun } from '../contract/api.ts';
import { type ExportedRun, runExportFields } from '../contract/run-export.ts';
import type { ControlContext } from './context.ts';
import { listDecisions } from './decisions/phases.ts';
import type { RecordedRun } from './ports.ts';
import { narrowScope, scopeOf } from './scope.ts';

type Payload = RecordedRun['payloads'][number];

const pageRows = 50;

/** A page of runs, newest first. `next` is the cursor of the page after, null at the end. */
export async function listRuns(
  context: ControlContext,
  principal: Principal,
  query: RunsQuery,
): Promise<RunsPage<RunRow>> {
  const { limit, cursor, tenant, ...filter } = query;
  const page = await context.runs.readPage(narrowScope(principal, tenant), {
    limit: limit ?? pageRows,
    cursor: cursor ?? null,
    filter,
  });
  return { runs: page.rows, next: page.next };
}

/** One run with its decision, events, and what it took of limits. Throws `not_found`. */
export async function showRun(context: ControlContext, principal: Principal, runId: string): Promise<ShownRun> {
  const found = await context.runs.read(scopeOf(principal), runId);
  if (found === null) throw new HocError({ code: 'not_found', publicMessage: 'There is no run of that id' });
  const { run, context: decided, decision, payloads, records } = found;
  const limits = await nameUnits(context, run);
  const { context_digest, decision_digest } = run;
  const decisions = listDecisions({ ...found, context_digest, decision_digest });
  return { ...run, limits, context: decided, decision, decisions, payloads: payloads.map(showPayload), records };
}

/** A limit never changes what it counts, so its newest version names the unit of every charge. */
async function nameUnits(context: ControlContext, run: RunRow): Promise<ShownRun['limits']> {
  const { tenant, limits } = run;
  if (tenant === null || limits.length === 0) return limits.map((charge) => ({ ...charge, unit: null }));
  const ids = limits.map((charge) => charge.id);
  const newest = await context.store.transaction((tx) => tx.readNewestLimits(tenant, ids));
  return limits.map((charge) => {
    const definition = newest.get(charge.id)?.definition;
    return { ...charge, unit: definition === undefined ? null : unitOf(JSON.parse(definition) as LimitEntry) };
  });
}

function showPayload({ body, redacted, ...head }: Payload): ShownPayload {
  const { part, content_type, content_encoding, whole_bytes, stored_bytes } = head;
  const text = isUtf8(body) ? body.toString('utf8') : null;
  const base64 = text === null ? body.toString('base64') : null;
  return { part, content_type, content_encoding, whole_bytes, stored_bytes, redacted: redacted === true, text, base64 };
}

function exportRun(row: RunRow): ExportedRun {
  const entries = runExportFields.map((field) => [field, row[field] ?? null]);
  return Object.fromEntries(entries) as unknown as ExportedRun;
}

/** Every run of all tenants and all time as JSON lines, in the fields and order of the contract; absent values are null. */
export async function* exportRuns(context: ControlContext, principal: Principal): AsyncGenerator<string, void> {
  for await (const row of context.runs.stream(scopeOf(principal))) yield `${JSON.stringify(exportRun(row))}\n`;
}

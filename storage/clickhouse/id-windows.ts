import type { TenantScope } from '../schema/scope.ts';
import type { ClickHouse } from './connection.ts';
import { scopeCondition, streamRows } from './select.ts';

/** The first 8 hex digits of a UUIDv7: one value spans 65 seconds. */
const prefixCharacters = 8;

/** A stretch of run ids, which sort by time: `from` included, `below` not; null reaches to the end. */
export interface IdWindow {
  from: string;
  below: string | null;
}

/** The condition that a row lies in `windowParameters(window)`. */
export function windowCondition(window: IdWindow): string {
  return `run_id >= {window_from:String}${window.below === null ? '' : ' AND run_id < {window_below:String}'}`;
}

/** Parameters of `windowCondition`. */
export function windowParameters(window: IdWindow): Record<string, string> {
  return { window_from: window.from, window_below: window.below ?? '' };
}

/** The least id that a run of that instant or later can have. Unix ms. */
export function leastId(ms: number): string {
  const hex = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
}

/**
 * Cuts the runs of a scope from an id on into windows of about `rows` stored rows, oldest first, so that what is done to
 * all of them is done in steps that each fit in memory. The last window has no end. Rejects with HocError
 * `engine_unavailable`.
 */
export async function readIdWindows(
  ch: ClickHouse,
  scope: TenantScope,
  { from, rows }: { from: string; rows: number },
): Promise<IdWindow[]> {
  const { condition, parameters } = scopeCondition(scope);
  const counts = streamRows(ch, {
    sql: `SELECT substring(run_id, 1, ${prefixCharacters}) AS prefix, count() FROM runs
      WHERE ${condition} AND run_id >= {from:String} GROUP BY prefix ORDER BY prefix`,
    parameters: { ...parameters, from },
    batch: true,
  });
  const starts = [from];
  let inWindow = 0;
  for await (const [prefix, count] of counts) {
    if (inWindow >= rows) {
      starts.push(String(prefix));
      inWindow = 0;
    }
    inWindow += Number(count);
  }
  return starts.map((start, index) => ({ from: start, below: starts[index + 1] ?? null }));
}

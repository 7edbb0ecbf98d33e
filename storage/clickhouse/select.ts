import type { Row } from '@clickhouse/client';
import type { TenantScope } from '../schema/scope.ts';
import type { ClickHouse } from './connection.ts';
import { guard } from './failure.ts';

/** A row in the order of its SELECT. 64-bit integers are decimal strings. */
export type SelectedRow = readonly unknown[];

export interface SelectQuery {
  /** No SETTINGS and no FORMAT: they are added here. */
  sql: string;
  parameters?: Readonly<Record<string, unknown>>;
  /** Long reads (exports, checks): they give way to the console's where the engine has a queue for them. */
  batch?: boolean;
}

const jsonSettings = 'output_format_json_quote_64bit_integers = 1';

function complete(query: SelectQuery): { query: string; query_params: Record<string, unknown> } {
  return { query: `${query.sql} SETTINGS ${jsonSettings}`, query_params: { ...query.parameters } };
}

/** Reads a small result whole. Rejects with HocError `engine_unavailable`. */
export function selectRows(ch: ClickHouse, query: SelectQuery): Promise<SelectedRow[]> {
  return guard(ch, async () => {
    const result = await ch.client.query({ ...complete(query), ...lane(query), format: 'JSONCompactEachRow' });
    return result.json<SelectedRow>();
  });
}

/** Reads a result of any size in constant memory. Leaving the loop early ends the query. Rejects as `selectRows` does. */
export async function* streamRows(ch: ClickHouse, query: SelectQuery): AsyncGenerator<SelectedRow, void> {
  const options = { ...complete(query), ...lane(query), format: 'JSONCompactEachRow' as const };
  const result = await guard(ch, () => ch.client.query(options));
  const chunks: AsyncIterator<Row[]> = result.stream()[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await guard(ch, () => chunks.next());
      if (next.done === true) return;
      for (const row of next.value) yield row.json<SelectedRow>();
    }
  } finally {
    await chunks.return?.();
    result.close();
  }
}

function lane(query: SelectQuery): { clickhouse_settings?: { priority: string } } {
  return query.batch === true ? { clickhouse_settings: { priority: '10' } } : {};
}

/** The condition that keeps a read inside its scope; every read of recorded data has it. */
export function scopeCondition(scope: TenantScope): { condition: string; parameters: Record<string, string> } {
  if (scope.kind === 'all') return { condition: 'true', parameters: {} };
  return { condition: 'tenant = {scope_tenant:String}', parameters: { scope_tenant: scope.tenant } };
}

/** A name of the engine's own catalogue, quoted. */
export function quoteName(name: string): string {
  return `\`${name.replace(/[\\`]/g, '\\$&')}\``;
}

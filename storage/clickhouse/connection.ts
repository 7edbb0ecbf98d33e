import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { HocError } from '../schema/errors.ts';
import { toFailure } from './failure.ts';

type Client = ReturnType<typeof createClient>;

/** A pool of connections to one ClickHouse. */
export interface ClickHouse {
  client: Client;
  /** `host:port`, for messages; credentials are never part of it. */
  address: string;
  close(): Promise<void>;
}

/** Longest silence of the engine on one request, in ms: a batch or a page takes far less. */
const requestTimeoutMs = 120_000;

/**
 * Opens a client for a ClickHouse URL (`http://user:password@host:port/database`); nothing is sent yet. The same code
 * serves the embedded engine and a server. Throws HocError `configuration_invalid` for text that is no such URL.
 */
export function connectClickHouse(url: string, options: { requestTimeoutMs?: number } = {}): ClickHouse {
  const address = readAddress(url);
  const client = createClient({
    url,
    request_timeout: options.requestTimeoutMs ?? requestTimeoutMs,
    max_open_connections: 16,
    application: 'hoc',
    // The client logs failed queries with their parameters: those are callers' values, and we report failures ourselves.
    log: { level: ClickHouseLogLevel.OFF },
  });
  return { client, address, close: () => client.close() };
}

function readAddress(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    throw new HocError({
      code: 'configuration_invalid',
      publicMessage: 'CLICKHOUSE_URL must be http:// or https:// with host and port, as http://user:password@host:8123',
    });
  }
  return parsed.host;
}

/** Resolves when the engine answers a query. Rejects with HocError `engine_unavailable`. */
export async function pingClickHouse(ch: ClickHouse): Promise<void> {
  const answer = await ch.client.ping({ select: true });
  if (!answer.success) throw toFailure(ch, answer.error);
}

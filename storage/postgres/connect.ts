import { Kysely, PostgresDialect, type Transaction } from 'kysely';
import pg from 'pg';
import type { ControlTables } from './tables.ts';

/** A connection pool to control's database. */
export type ControlDatabase = Kysely<ControlTables>;

/** What a statement runs on: the pool, or the transaction it belongs to. */
export type Executor = ControlDatabase | Transaction<ControlTables>;

const int8 = 20;

/** Every int8 of ours is a count, a sequence or Unix ms, all below 2^53; anything larger is refused instead of rounded. */
function readInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError('an int8 of the control database is beyond 2^53');
  return value;
}

/**
 * Opens a pool to a PostgreSQL server (15 or later). Connects lazily: an unreachable server fails the first statement.
 *
 * `onError` hears of idle connections that the server closed; the pool replaces them. A statement is cut after 30 s and
 * a transaction that idles after 60 s, so that a dead client never holds a lock for long.
 */
export function connectPostgres(
  url: string,
  options: { poolSize?: number; onError?: (error: Error) => void } = {},
): ControlDatabase {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.poolSize ?? 10,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 30_000,
    idle_in_transaction_session_timeout: 60_000,
    application_name: 'hoc-control',
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === int8 && format !== 'binary' ? readInt8 : pg.types.getTypeParser(oid, format),
    },
  });
  pool.on('error', (error) => options.onError?.(error));
  return new Kysely<ControlTables>({ dialect: new PostgresDialect({ pool }) });
}

import { ClickHouseError } from '@clickhouse/client';
import { HocError } from '../schema/errors.ts';

/** ClickHouse's codes for a table, column or database that is not there: migrations have not run. */
const missingCodes = new Set(['16', '47', '60', '81']);

/**
 * Makes one HocError `engine_unavailable` of whatever the client threw: where the engine is, what kind of failure, and
 * what to do. Texts of the engine can quote rows and queries, so they stay in `cause` and out of the message.
 */
export function toFailure(ch: { address: string }, cause: unknown): HocError {
  if (cause instanceof HocError) return cause;
  return new HocError({ code: 'engine_unavailable', publicMessage: explain(ch.address, cause), cause });
}

/** Too little space for what is to be written. A file system that fills up meanwhile gives code 75, 76 or 1002 and its text. */
const spaceCode = '243';
const fullDisk = /No space left on device|ENOSPC|\(NOT_ENOUGH_SPACE\)/;

function explain(address: string, cause: unknown): string {
  if (cause instanceof ClickHouseError) {
    return `ClickHouse at ${address} refused the query with code ${cause.code} (${cause.type ?? 'unnamed'}): ${advise(cause)}.`;
  }
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : null;
  const timedOut = cause instanceof Error && /^Timeout error/.test(cause.message);
  if (code === null && !timedOut) {
    return `ClickHouse at ${address} gave no result that can be read: check that CLICKHOUSE_URL names a ClickHouse.`;
  }
  return `ClickHouse at ${address} does not answer (${code ?? 'timed out'}): check that it runs and that CLICKHOUSE_URL names it.`;
}

function advise(cause: ClickHouseError): string {
  if (missingCodes.has(cause.code)) return 'run `hoc migrate`';
  if (cause.code === spaceCode || fullDisk.test(cause.message)) return 'its disk is full: free space or add some';
  return 'see its log for the reason';
}

/** Runs a driver call and converts what it throws. */
export async function guard<T>(ch: { address: string }, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw toFailure(ch, cause);
  }
}

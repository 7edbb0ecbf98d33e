import { HocError } from '../schema/errors.ts';

const unreachable = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH']);

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return String(error.code);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : '';
}

/**
 * Turns what pg throws into a HocError: `conflict` for a unique or lock clash, `engine_unavailable` where the server
 * cannot be reached or ends the session, else `internal`. The public message never carries values of the statement.
 */
export function convertPostgresError(error: unknown): HocError {
  if (error instanceof HocError) return error;
  const code = codeOf(error);
  if (code === '23505' || code === '40001' || code === '40P01') {
    return new HocError({ code: 'conflict', publicMessage: 'Another change was made at the same time', cause: error });
  }
  const lost =
    /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error/;
  if (unreachable.has(code) || code.startsWith('08') || code.startsWith('57P') || lost.test(messageOf(error))) {
    return new HocError({ code: 'engine_unavailable', publicMessage: 'PostgreSQL does not answer', cause: error });
  }
  return new HocError({ code: 'internal', publicMessage: 'A statement on the control state failed', cause: error });
}

import type { RefusalNotice } from '../dialect.ts';

const typeByStatus: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
};

/** The error object of the Anthropic API, which has no place for a code; `request_id` is the run. */
export function renderMessagesRefusal(notice: RefusalNotice): { contentType: string; body: string } {
  return { contentType: 'application/json', body: renderError(notice) };
}

/** The format's own error event: the SDKs raise an APIError for it, whatever came before. */
export function renderMessagesCut(notice: RefusalNotice): string {
  return `event: error\ndata: ${renderError(notice)}\n\n`;
}

function renderError(notice: RefusalNotice): string {
  const overloaded = notice.code === 'overloaded' ? 'overloaded_error' : 'api_error';
  const error = { type: typeByStatus[notice.status] ?? overloaded, message: notice.message };
  return JSON.stringify({ type: 'error', error, request_id: notice.runId });
}

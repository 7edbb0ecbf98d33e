import type { RefusalNotice } from '../dialect.ts';

const typeByStatus: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
};

/** The error object of the OpenAI API. Its SDKs raise their class by the status alone. */
export function renderChatRefusal(notice: RefusalNotice): { contentType: string; body: string } {
  return { contentType: 'application/json', body: renderError(notice) };
}

/** An event whose data is an error: the SDKs raise an APIError for it, whatever came before. */
export function renderChatCut(notice: RefusalNotice): string {
  return `data: ${renderError(notice)}\n\n`;
}

function renderError(notice: RefusalNotice): string {
  const type = typeByStatus[notice.status] ?? 'server_error';
  const error = { message: notice.message, type, param: null, code: notice.code };
  return JSON.stringify({ error });
}

import type { Dialect, RefusalNotice, RequestFacts, RouteShape, StreamReader, UnboundedReason } from '../dialect.ts';
import { isObject, readText } from '../json-fields.ts';
import { boundInput, openFindings } from '../media.ts';
import { asksForHiddenOutput } from '../openai-chat/hidden-output.ts';
import { asksForUnlistedTier } from '../openai-chat/unlisted-tier.ts';
import { silentAnswer } from '../usage.ts';
import { findUnbounded } from './unbounded.ts';

const titleByStatus: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

/**
 * Every route that no dialect reads: still identified, limited by requests, timed and recorded. It recognises anything,
 * so that it stands last.
 */
export const opaque: Dialect = {
  id: 'opaque',
  vendor: null,
  recognizes: () => true,
  readRequest: readOpaqueRequest,
  readAnswer: (body) => ({ ...silentAnswer, outputBoundTokens: body.length }),
  openStream: openUnread,
  askUsage: null,
  openUsageFilter: null,
  readRequestTexts: null,
  readAnswerTexts: null,
  change: null,
  // Whose names are in another case is not known here, and whatever stands in the body is looked at as text.
  governedNames: new Set(),
  credentialHeader: 'authorization',
  renderRefusal: renderProblem,
  renderCut: () => null,
};

/** Counts bytes alone: no tokenizer makes more tokens than bytes of what an answer shows, whatever its format. */
function openUnread(): StreamReader {
  let bytes = 0;
  return {
    push(chunk) {
      bytes += chunk.length;
      return -1;
    },
    ended: () => false,
    isContinued: () => false,
    outputBoundTokens: () => bytes,
    inputTokens: () => null,
    lastBoundary: () => -1,
    takeText: () => [],
    toolsCalled: () => [],
    textIncomplete: () => true,
    end: () => ({ ...silentAnswer, outputBoundTokens: bytes }),
  };
}

/** Routes whose answers hold no text of a model, whatever their format: what they take is what is sent. */
const withoutOutput = /[/:](embeddings|embed|embedContent|moderations|rerank|tokenize|count_tokens|countTokens)$/;

function readOpaqueRequest(input: { route: RouteShape; body: unknown; bytes: Uint8Array }): RequestFacts {
  const body = isObject(input.body) ? input.body : {};
  const findings = { ...openFindings(), unbounded: findUnboundedIn(input) };
  return {
    model: readText(body.model),
    streamed: body.stream === true,
    maxOutputTokens: null,
    choices: 1,
    messageCount: null,
    tools: input.bytes.length === 0 ? [] : null,
    ...boundInput(input.bytes, findings, { tools: 0, vendorTools: 0, schema: false }),
    mediaParts: null,
    inputMedia: true,
    hiddenOutput: asksForHiddenOutput(body),
    unlistedRate: asksForUnlistedTier(body),
    bodyActor: null,
    usageNotAsked: false,
  };
}

/** A format that nobody here reads can ask for anything, so that its bytes bound nothing but where no text comes back. */
function findUnboundedIn(input: { route: RouteShape; body: unknown; bytes: Uint8Array }): UnboundedReason | null {
  if (input.bytes.length === 0) return null;
  return findUnbounded(input.body) ?? (withoutOutput.test(input.route.path) ? null : 'unread_format');
}

/** A problem document (RFC 9457), with the member `error` in which most SDKs look for a message. */
function renderProblem(notice: RefusalNotice): { contentType: string; body: string } {
  const problem = {
    type: `urn:hoc:refusal:${notice.code}`,
    title: titleByStatus[notice.status] ?? 'Refused',
    status: notice.status,
    detail: notice.message,
    code: notice.code,
    run_id: notice.runId,
    error: { message: notice.message, type: notice.code, code: notice.code },
  };
  return { contentType: 'application/problem+json', body: JSON.stringify(problem) };
}

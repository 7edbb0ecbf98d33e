import { type ErrorCode, HocError, refusalCatalogue } from '../../storage/schema/errors.ts';
import { recognizeDialect } from '../dialects/index.ts';
import type { CallerAnswer } from './call.ts';
import { finish } from './finish.ts';
import { recordStanding } from './intent.ts';
import { mayBeHeld, type Refusal, type Run } from './run.ts';
import { settleUnrecorded } from './unrecorded.ts';

/** The parts of an ending without an answer. */
const unanswered = {
  head: null,
  facts: null,
  captured: null,
  streamed: false,
  ttftMs: null,
  altered: false,
  sent: false,
} as const;

/** Records a refused run and answers it in its dialect's own words. The record stands before the answer leaves. */
export function endRefused(run: Run, refusal: Refusal, caller: CallerAnswer): void {
  recordRefusal(run, refusal, 1);
  answerRefusal(run, { runId: run.id, refusal }, caller);
}

/** Puts on record that the run stands for refusals like its own, from now on. A spool that is full refuses anyway. */
export function beginStanding(run: Run, refusal: Refusal): void {
  try {
    recordStanding(run, refusal);
  } catch (error) {
    tellFull(run, error);
  }
}

/**
 * Appends the finish record of `count` identical refusals. A spool that is full refuses anyway: it is only counted, and what
 * the run had reserved is given back.
 */
export function recordRefusal(run: Run, refusal: Refusal, count: number): void {
  try {
    const httpStatus = refusalCatalogue[refusal.code].status;
    finish(run, { ...unanswered, status: 'blocked', refusal, httpStatus, count });
  } catch (error) {
    tellFull(run, error);
    if (mayBeHeld(run)) settleUnrecorded(run);
  }
}

/** Throws what is not a full spool. */
function tellFull(run: Run, error: unknown): void {
  if (!(error instanceof HocError) || error.code !== 'spool_full') throw error;
  run.gate.telemetry.failed('finish', error);
}

/** Answers a refusal. `runId` is the id under which it stands on record. */
export function answerRefusal(
  run: Run,
  { runId, refusal }: { runId: string; refusal: Refusal },
  caller: CallerAnswer,
): void {
  const { status } = refusalCatalogue[refusal.code];
  const waiting: string[] =
    refusal.retryAfterMs === null
      ? ['x-should-retry', 'false']
      : ['retry-after', String(Math.max(1, Math.ceil(refusal.retryAfterMs / 1000)))];
  writeError(run, caller, { runId, code: refusal.code, status, message: refusal.message, waiting });
}

/** Answers a provider that could not be reached or broke off before its head (502). An address that is refused stays so. */
export function answerFailure(run: Run, caller: CallerAnswer, error: HocError): void {
  const waiting = error.code === 'upstream_refused_address' ? ['x-should-retry', 'false'] : ['retry-after', '1'];
  writeError(run, caller, { runId: run.id, code: error.code, status: 502, message: error.publicMessage, waiting });
}

/** Answers a fault of our own (500) without saying more than that; the log and the metric hold the cause. */
export function endFaulty(run: Run, error: unknown, caller: CallerAnswer): void {
  run.gate.telemetry.failed('pipeline', error);
  try {
    finish(run, { ...unanswered, status: 'failed', refusal: null, httpStatus: 500, count: 1 });
  } catch (recordingError) {
    run.gate.telemetry.failed('finish', recordingError);
  }
  // Also what was reserved before the fault, of which the record says nothing because nothing was sent.
  settleUnrecorded(run);
  if (caller.destroyed) return;
  const message = 'The proxy failed on this run; nothing was sent to the provider after the failure.';
  writeError(run, caller, { runId: run.id, code: 'internal', status: 500, message, waiting: [] });
}

function writeError(
  run: Run,
  caller: CallerAnswer,
  notice: { runId: string; code: ErrorCode; status: number; message: string; waiting: string[] },
): void {
  if (caller.destroyed) return;
  const dialect =
    run.read?.dialect ??
    recognizeDialect({
      route: { method: run.call.method, path: pathOf(run.call.url) },
      body: undefined,
      allowed: 'auto',
    });
  const { contentType, body } = dialect.renderRefusal(notice);
  const bytes = Buffer.from(body);
  caller.writeHead(notice.status, reasonPhrase(notice.status), [
    'content-type',
    contentType,
    'content-length',
    String(bytes.length),
    'x-hoc-run-id',
    notice.runId,
    // What the SDKs of OpenAI and Anthropic show as the id of the request.
    ...['x-request-id', notice.runId, 'request-id', notice.runId],
    'x-hoc-code',
    notice.code,
    ...notice.waiting,
  ]);
  if (run.call.method === 'HEAD') caller.end();
  else caller.end(bytes);
}

function pathOf(url: string): string {
  const at = url.indexOf('?');
  return at === -1 ? url : url.slice(0, at);
}

const phrases: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
};

function reasonPhrase(status: number): string {
  return phrases[status] ?? 'Error';
}

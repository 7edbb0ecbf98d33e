import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { hostname } from 'node:os';
import { createDeflate, createGzip } from 'node:zlib';
import type { BufferedAnswer } from './engine.ts';
import { type ClickHouseException, toException } from './exception.ts';
import type { Answer } from './execute.ts';
import type { FrontRequest } from './request.ts';

/** How much of an answer may wait for a slow reader before the engine does. */
const readAheadBytes = 8 * 1024 * 1024;

const contentTypes: readonly [RegExp, string][] = [
  [/^(JSON\w*EachRow|NDJSON|JSONLines)/i, 'application/x-ndjson; charset=UTF-8'],
  [/^JSON/i, 'application/json; charset=UTF-8'],
  [/^(TSV|TabSeparated)/i, 'text/tab-separated-values; charset=UTF-8'],
  [/^CSV/i, 'text/csv; charset=UTF-8; header=absent'],
  [/^(Pretty|Vertical|Values|Markdown|XML)/i, 'text/plain; charset=UTF-8'],
];

/**
 * Aborts when the connection closes before the answer's end was handed to it.
 *
 * Only the `finish` event says that it was: of a socket that was destroyed while the last bytes were written,
 * `writableFinished` turns true and `finish` never comes, so that whoever asks the property waits for ever.
 */
export function watchCaller(response: ServerResponse): AbortController {
  const left = new AbortController();
  let finished = false;
  response.once('finish', () => {
    finished = true;
  });
  response.once('close', () => {
    if (!finished) left.abort();
  });
  return left;
}

/**
 * Sends an answer with ClickHouse's headers, compressed where the caller asked. An error in the middle of a stream is
 * sent as the tagged block that official clients look for, and the connection is then broken, so that no caller can take
 * a cut answer for a whole one. Rejects as soon as `left` (of `watchCaller`) aborts.
 */
export async function sendAnswer(
  response: ServerResponse,
  request: FrontRequest,
  sent: { answer: Answer; format: string; left: AbortSignal },
): Promise<void> {
  const { answer, format, left } = sent;
  const tag = randomBytes(8).toString('hex');
  response.statusCode = 200;
  setCommonHeaders(response, request);
  response.setHeader('X-ClickHouse-Format', format);
  response.setHeader('X-ClickHouse-Exception-Tag', tag);
  response.setHeader(
    'Content-Type',
    contentTypes.find(([name]) => name.test(format))?.[1] ?? 'application/octet-stream',
  );
  const body = answer.kind === 'whole' ? answer.answer : null;
  response.setHeader('X-ClickHouse-Summary', summarise(body, answer.kind === 'whole' && answer.written));
  if (request.compress !== null) response.setHeader('Content-Encoding', request.compress);
  else if (body !== null) response.setHeader('Content-Length', body.bytes.length);
  const sink = openSink(response, request, left);
  try {
    if (answer.kind === 'whole') await sink.write(answer.answer.bytes);
    else for await (const chunk of answer.chunks) await sink.write(chunk);
  } catch (error) {
    if (response.destroyed) throw error;
    await sink.write(taggedException(toException(error), tag));
    await sink.end();
    response.destroy();
    return;
  }
  await sink.end();
}

/** Sends an error as ClickHouse does, or breaks the connection where the answer has already begun. */
export function sendException(
  response: ServerResponse,
  request: FrontRequest | null,
  error: ClickHouseException,
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  response.statusCode = error.status;
  if (request !== null) setCommonHeaders(response, request);
  response.setHeader('X-ClickHouse-Exception-Code', String(error.exceptionCode));
  response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
  response.end(error.text);
}

function setCommonHeaders(response: ServerResponse, request: FrontRequest): void {
  response.setHeader('X-ClickHouse-Server-Display-Name', hostname());
  response.setHeader('X-ClickHouse-Query-Id', request.queryId.replace(/[^\x20-\x7e]/g, '?'));
  response.setHeader('X-ClickHouse-Timezone', 'UTC');
}

function summarise(answer: BufferedAnswer | null, written: boolean): string {
  const rows = String(answer?.rows ?? 0);
  const bytes = String(answer?.bytesRead ?? 0);
  return JSON.stringify({
    read_rows: rows,
    read_bytes: bytes,
    written_rows: written ? rows : '0',
    written_bytes: written ? bytes : '0',
    total_rows_to_read: '0',
    result_rows: written ? rows : '0',
    result_bytes: written ? bytes : '0',
    elapsed_ns: String(Math.round((answer?.elapsedSeconds ?? 0) * 1e9)),
  });
}

function taggedException(error: ClickHouseException, tag: string): Buffer {
  const text = error.text.endsWith('\n') ? error.text : `${error.text}\n`;
  return Buffer.from(`\r\n__exception__\r\n${tag}\r\n${text}${Buffer.byteLength(text)} ${tag}\r\n__exception__\r\n`);
}

interface Sink {
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when the last byte is handed to the socket. */
  end(): Promise<void>;
}

function openSink(response: ServerResponse, request: FrontRequest, left: AbortSignal): Sink {
  const codec =
    request.compress === 'gzip' ? createGzip({ level: 1 }) : request.compress === 'deflate' ? createDeflate() : null;
  codec?.pipe(response);
  const target = codec ?? response;
  const gone = new Promise<never>((_, reject) => {
    const leave = (): void => reject(new Error('The caller left'));
    if (left.aborted) leave();
    else left.addEventListener('abort', leave, { once: true });
  });
  gone.catch(() => undefined);
  return {
    async write(bytes) {
      if (response.destroyed || left.aborted) throw new Error('The caller left');
      if (bytes.length === 0) return;
      target.write(bytes);
      if (target.writableLength > readAheadBytes) await Promise.race([once(target, 'drain'), gone]);
    },
    async end() {
      const finished = once(response, 'finish');
      target.end();
      await Promise.race([finished, gone]);
    },
  };
}

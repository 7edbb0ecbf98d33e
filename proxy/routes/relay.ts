import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { HocError } from '../../storage/schema/errors.ts';
import type { CallerAnswer, InboundCall } from '../pipeline/call.ts';

/** Takes one call from accepted request to terminal state. */
export type GovernRun = (call: InboundCall, caller: CallerAnswer) => Promise<void>;

/** The address of the only route behind `rewriteUrl`; the caller's own target stands in `originalUrl`. */
export const relayPath = '/relay';

/** Hot path: every call of every customer. Hands the raw request and answer to the pipeline and nothing else. */
export function registerRelay(server: FastifyInstance, methods: readonly string[], govern: GovernRun): void {
  server.route({
    method: [...methods],
    url: relayPath,
    handler: (request, reply) => {
      reply.hijack();
      const { raw } = request;
      const answer = reply.raw;
      answer.sendDate = false;
      const call: InboundCall = {
        method: raw.method ?? 'GET',
        url: request.originalUrl,
        rawHeaders: raw.rawHeaders,
        readBody: (maxBytes) => readBody(raw, maxBytes),
      };
      void govern(call, answer);
    },
  });
}

function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const declared = request.headers['content-length'];
  if ((declared === undefined || declared === '0') && request.headers['transfer-encoding'] === undefined) {
    return Promise.resolve(Buffer.alloc(0));
  }
  if (declared !== undefined && Number(declared) > maxBytes) return Promise.reject(tooLarge(maxBytes));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBytes) {
        request.removeAllListeners('data');
        request.resume();
        reject(tooLarge(maxBytes));
      } else {
        chunks.push(chunk);
      }
    });
    request.once('end', () =>
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, bytes)),
    );
    request.once('error', (cause) => reject(brokenOff(cause)));
    request.once('close', () => {
      if (!request.complete) reject(brokenOff(undefined));
    });
  });
}

function tooLarge(maxBytes: number): HocError {
  return new HocError({ code: 'request_invalid', publicMessage: `The body is larger than ${maxBytes} bytes.` });
}

function brokenOff(cause: unknown): HocError {
  return new HocError({ code: 'request_invalid', publicMessage: 'The body broke off before its end.', cause });
}

import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { type Dispatcher, Pool } from 'undici';

/**
 * The contender `bare`: the least that a proxy on fastify and undici can do and still be one. Forwards method, path,
 * headers but the hop-by-hop ones, and body; streams the answer back with backpressure; stops the provider when the caller
 * leaves. Decides, limits and records nothing.
 */
const hopByHop = new Set(['connection', 'host', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade']);
const pool = new Pool(process.argv[2] ?? '', { connections: 128, pipelining: 1 });

function forwardedHeaders(raw: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? '';
    if (!hopByHop.has(name.toLowerCase())) kept.push(name, raw[index + 1] ?? '');
  }
  return kept;
}

function relay(response: ServerResponse): Dispatcher.DispatchHandler {
  let leave: (() => void) | null = null;
  return {
    onRequestStart(controller) {
      leave = () => controller.abort(new Error('the caller left'));
      response.on('close', leave);
    },
    onResponseStart(controller, statusCode, headers) {
      for (const name of hopByHop) delete headers[name];
      response.writeHead(statusCode, headers);
      response.on('drain', () => controller.resume());
    },
    onResponseData(controller, chunk) {
      if (!response.write(chunk)) controller.pause();
    },
    onResponseEnd() {
      if (leave) response.off('close', leave);
      response.end();
    },
    onResponseError() {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end();
    },
  };
}

const server = fastify({ keepAliveTimeout: 300_000, bodyLimit: 64 * 1024 * 1024 });
server.removeAllContentTypeParsers();
server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
server.all('/*', (request: FastifyRequest, reply: FastifyReply) => {
  reply.hijack();
  pool.dispatch(
    {
      path: request.raw.url ?? '/',
      method: request.method as Dispatcher.HttpMethod,
      headers: forwardedHeaders(request.raw.rawHeaders),
      body: (request.body as Buffer | undefined) ?? null,
    },
    relay(reply.raw),
  );
});
await server.listen({ host: '127.0.0.1', port: 0 });
const { port } = server.server.address() as AddressInfo;
process.stdout.write(`${JSON.stringify({ ready: true, url: `http://127.0.0.1:${port}` })}\n`);
process.stdin.resume().on('end', () => process.exit(0));

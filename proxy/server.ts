import { METHODS } from 'node:http';
import Fastify, { type FastifyInstance } from 'fastify';
import { type GovernRun, registerRelay, relayPath } from './routes/relay.ts';

const headersTimeoutMs = 15_000;
const keepAliveTimeoutMs = 65_000;

/**
 * The data-plane server: one route for every method and every path.
 *
 * The target is rewritten to that route before the router sees it, so that no decoding and no router rule stands between
 * the caller's bytes and the pipeline. Bodies are not parsed here: stage `read` reads them once.
 */
export function createProxyServer(govern: GovernRun): FastifyInstance {
  const server = Fastify({
    logger: false,
    rewriteUrl: () => relayPath,
    return503OnClosing: false,
    keepAliveTimeout: keepAliveTimeoutMs,
    forceCloseConnections: 'idle',
  });
  server.server.headersTimeout = headersTimeoutMs;
  const methods = METHODS.filter((method) => method !== 'CONNECT');
  for (const method of methods) server.addHttpMethod(method, { hasBody: false, overrideExisting: true });
  registerRelay(server, methods, govern);
  return server;
}

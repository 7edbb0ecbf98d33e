import { METHODS } from 'node:http';
import Fastify from 'fastify';
import { type GovernRun, registerRelay, relayPath } from './routes/relay.ts';

const headersTimeoutMs = 15_000;
const keepAliveTimeoutMs = 65_000;
const idleCheckMs = 50;

export interface ProxyServer {
  /** Resolves with the address as a URL. */
  listen(address: { host: string; port: number }): Promise<string>;
  /** Takes no new connections and resolves when every open call has ended; none is cut. */
  drain(): Promise<void>;
}

/**
 * The data-plane server: one route for every method and every path.
 *
 * The target is rewritten to that route before the router sees it, so that no decoding and no router rule stands between
 * the caller's bytes and the pipeline. Bodies are not parsed here: stage `read` reads them once.
 */
export function createProxyServer(govern: GovernRun): ProxyServer {
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
  return {
    listen: (address) => server.listen(address),
    async drain() {
      // A connection that falls idle after the last answer on it would otherwise stay until its keep-alive ends.
      const closing = setInterval(() => server.server.closeIdleConnections(), idleCheckMs);
      await server.close();
      clearInterval(closing);
    },
  };
}

import { createServer, type Server } from 'node:http';
import type { Engine } from './engine.ts';
import type { FrontMetrics } from './metrics.ts';

/** `/livez` (the process runs), `/readyz` (the engine answers a query) and `/metrics`. */
export function createAdminServer(engine: Engine, metrics: FrontMetrics): Server {
  return createServer((message, response) => {
    const reply = (status: number, type: string, body: string): void => {
      response.writeHead(status, { 'content-type': type }).end(body);
    };
    const path = (message.url ?? '/').split('?', 1)[0];
    if (path === '/livez') return reply(200, 'text/plain', 'ok\n');
    if (path === '/readyz') {
      engine.ping().then(
        () => reply(200, 'text/plain', 'ok\n'),
        () => reply(503, 'text/plain', 'the engine does not answer\n'),
      );
      return;
    }
    if (path === '/metrics') {
      metrics.registry.metrics().then(
        (text) => reply(200, metrics.registry.contentType, text),
        () => reply(500, 'text/plain', 'metrics failed\n'),
      );
      return;
    }
    reply(404, 'text/plain', 'not found\n');
  });
}

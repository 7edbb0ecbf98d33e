import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

/** What `/drained` answers from. Counts only. */
export interface DrainReport {
  drained: boolean;
  bytes_behind: number;
  seals_pending: number;
  open_runs: number;
  unsettled_runs: number;
}

export interface AdminInput {
  listen: { host: string; port: number };
  registry: Registry;
  /** Whether the shipper is at work and ClickHouse took its last batch. */
  isReady: () => boolean;
  /** Asks for everything now in the spool to be shipped; reports whether it is, waiting for it up to `waitMs`. */
  drain: (waitMs: number) => Promise<DrainReport>;
}

const longestWaitMs = 60_000;

/** Serves `/metrics`, `/livez`, `/readyz` and `/drained?wait_ms=N`. Returns the server and its base URL. */
export async function serveAdmin(input: AdminInput): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    answer(input, new URL(request.url ?? '/', 'http://admin'), response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500);
      response.end();
      process.emitWarning(error instanceof Error ? error : String(error));
    });
  });
  server.headersTimeout = 15_000;
  server.requestTimeout = 15_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(input.listen.port, input.listen.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = input.listen.host.includes(':') ? `[${input.listen.host}]` : input.listen.host;
  return { server, url: `http://${host}:${port}` };
}

async function answer(input: AdminInput, url: URL, response: ServerResponse): Promise<void> {
  switch (url.pathname) {
    case '/metrics':
      response.setHeader('content-type', input.registry.contentType);
      response.end(await input.registry.metrics());
      return;
    case '/livez':
      response.end('ok\n');
      return;
    case '/readyz':
      response.writeHead(input.isReady() ? 200 : 503);
      response.end(input.isReady() ? 'ok\n' : 'ClickHouse does not take batches\n');
      return;
    case '/drained': {
      const wanted = Number(url.searchParams.get('wait_ms') ?? '0');
      const report = await input.drain(wanted > 0 ? Math.min(wanted, longestWaitMs) : 0);
      response.writeHead(report.drained ? 200 : 503, { 'content-type': 'application/json' });
      response.end(`${JSON.stringify(report)}\n`);
      return;
    }
    default:
      response.writeHead(404);
      response.end();
  }
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { Ledger } from './ledger.ts';
import { answerOffice } from './office.ts';
import { RequestLog } from './request-log.ts';
import { createResponder, type Received } from './responder.ts';
import type { Speed } from './timing.ts';

const maxBodyBytes = 64 * 1024 * 1024;

export interface SimulatorOptions {
  host: string;
  /** 0 takes any free one. */
  port: number;
  speed: Speed;
  /** File that keeps the ledger over restarts; null keeps it in memory only. */
  ledgerFile: string | null;
  /** Told of a failure inside the simulator itself; the answer it hit is cut. */
  onFailure(error: unknown): void;
}

export interface Simulator {
  url: string;
  ledger: Ledger;
  /** Requests of any kind that came in so far. */
  requests(): number;
  /** Takes no new requests and resolves when the open ones are over; ends them by force after `graceMs`. */
  close(graceMs?: number): Promise<void>;
}

/** Starts the simulator: an upstream provider that speaks OpenAI and Anthropic and takes any credential or none. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const ledger = new Ledger(options.ledgerFile);
  const log = new RequestLog();
  const respond = createResponder({ ledger, speed: options.speed });
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    receive(request, response, (received) => {
      if (answerOffice(received, { ledger, log })) return;
      const { method, url, rawHeaders, body } = received;
      log.add({ at: Date.now(), method, url, rawHeaders, body });
      respond(received).catch((error: unknown) => {
        response.destroy();
        options.onFailure(error);
      });
    });
  });
  // Longer than the pools of the proxies that hold these connections, so that none is closed under a request.
  server.keepAliveTimeout = 75_000;
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const { address, port } = server.address() as AddressInfo;
  return {
    url: `http://${isIPv6(address) ? `[${address}]` : address}:${port}`,
    ledger,
    requests: () => requests,
    close: (graceMs = 5000) => closeServer(server, graceMs).then(() => ledger.end()),
  };
}

function receive(request: IncomingMessage, response: ServerResponse, done: (received: Received) => void): void {
  const parts: Buffer[] = [];
  let bytes = 0;
  request.on('data', (part: Buffer) => {
    bytes += part.length;
    if (bytes <= maxBodyBytes) parts.push(part);
  });
  request.on('end', () => {
    const body = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
    const { method = 'GET', url = '/', headers, rawHeaders } = request;
    done({ method, url, headers, rawHeaders, body, tooLarge: bytes > maxBodyBytes, response });
  });
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const force = setTimeout(() => server.closeAllConnections(), graceMs);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(force);
}

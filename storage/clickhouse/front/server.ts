import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BodyFolder } from './body.ts';
import type { Engine } from './engine.ts';
import { ClickHouseException, toException } from './exception.ts';
import { execute } from './execute.ts';
import type { LaneName } from './lanes.ts';
import type { FrontMetrics } from './metrics.ts';
import { type FrontRequest, readRequest } from './request.ts';
import { sendAnswer, sendException, watchCaller } from './response.ts';

export interface FrontParts {
  engine: Engine;
  bodies: BodyFolder;
  metrics: FrontMetrics;
  /** Required of every query when it is not null; the user is always `default`. */
  password: string | null;
  /** Called when the engine itself has died and only a new process can help. */
  onFatal(code: number): void;
}

export interface Front {
  server: Server;
  /** Takes no more queries, waits for the running ones, and kills what still runs after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

/** ClickHouse's own limit for a URL, which carries query and parameters; Node's default would refuse a page of 400 ids. */
const longestUrlBytes = 1024 * 1024;
/** The engine aborts the whole process's work with this code after a fatal error inside it. */
const abortedCode = 236;

/** An HTTP server that speaks ClickHouse's interface: `/ping`, and queries on `/`. */
export function createFront(parts: FrontParts): Front {
  const running = new Map<Promise<void>, AbortController>();
  const limits = { keepAliveTimeout: 30_000, requestTimeout: 600_000, maxHeaderSize: longestUrlBytes };
  const server = createServer(limits, (message, response) => {
    const left = watchCaller(response);
    const done = handle(parts, { message, response, left: left.signal }).finally(() => running.delete(done));
    running.set(done, left);
  });
  return {
    server,
    async stop(graceMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => {
        for (const left of running.values()) left.abort();
      }, graceMs);
      while (running.size > 0) await Promise.all(running.keys());
      clearTimeout(timer);
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Exchange {
  message: IncomingMessage;
  response: ServerResponse;
  left: AbortSignal;
}

async function handle(parts: FrontParts, exchange: Exchange): Promise<void> {
  const { message, response, left } = exchange;
  const started = performance.now();
  let lane: LaneName | 'none' = 'none';
  let request: FrontRequest | null = null;
  try {
    const path = (message.url ?? '/').split('?', 1)[0] ?? '/';
    if (path === '/ping' || path === '/replicas_status') return sayOk(response);
    if (path !== '/') throw new ClickHouseException(48, 'There is no such endpoint; queries go to /');
    authenticate(message, parts.password);
    const read = readRequest(message);
    request = read;
    if (read.readOnly && read.urlQuery === '') return sayOk(response);
    await execute({
      engine: parts.engine,
      bodies: parts.bodies,
      request: read,
      message,
      left,
      onLane: (picked) => {
        lane = picked;
      },
      deliver: (answer, format) => sendAnswer(response, read, { answer, format, left }),
    });
    parts.metrics.observe(lane, 'ok', (performance.now() - started) / 1000);
  } catch (error) {
    const exception = toException(error);
    parts.metrics.observe(lane, 'error', (performance.now() - started) / 1000);
    refuseRest(message, response);
    sendException(response, request, exception);
    if (exception.exceptionCode === abortedCode && /shutting down/.test(exception.text)) parts.onFatal(abortedCode);
  }
}

/** A body that nobody reads would keep the connection busy: it is closed behind the answer. */
function refuseRest(message: IncomingMessage, response: ServerResponse): void {
  if (message.readableEnded || response.headersSent) return;
  response.shouldKeepAlive = false;
  message.resume();
}

function sayOk(response: ServerResponse): void {
  response.setHeader('Content-Type', 'text/html; charset=UTF-8');
  response.end('Ok.\n');
}

/**
 * Without a password, a page in a browser on this machine could still post to a loopback port: browsers name their
 * Origin, our clients never do.
 */
function authenticate(message: IncomingMessage, password: string | null): void {
  if (message.headers.origin !== undefined) throw new ClickHouseException(516, 'Requests from browsers are refused');
  if (password === null) return;
  const given = readPassword(message);
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  if (!timingSafeEqual(digest(given), digest(password))) {
    throw new ClickHouseException(516, 'default: Authentication failed: the password is wrong or missing');
  }
}

function readPassword(message: IncomingMessage): string {
  const key = message.headers['x-clickhouse-key'];
  if (typeof key === 'string') return key;
  const basic = /^Basic (.+)$/.exec(message.headers.authorization ?? '')?.[1];
  const pair = Buffer.from(basic ?? '', 'base64').toString('utf8');
  return pair.slice(pair.indexOf(':') + 1);
}

/** Listens on `host:port` (port 0: any free one) and says the URL it got. Rejects when the address cannot be had. */
export async function listen(server: Server, address: string): Promise<string> {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port: Number(address.slice(colon + 1)) }, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return `http://${host}:${port}`;
}

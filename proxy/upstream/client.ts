import { lookup as dnsLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { type Dispatcher, Pool } from 'undici';
import { HocError } from '../../storage/schema/errors.ts';
import type { ProviderEntry } from '../../storage/schema/snapshot.ts';
import { isClosedAddress } from './addresses.ts';

interface Request {
  provider: ProviderEntry;
  method: string;
  path: string;
  headers: string[];
  body: Buffer | null;
}

interface Listener {
  onHead(head: { status: number; statusText: string; headers: string[] }): void;
  onData(chunk: Buffer): void;
  onEnd(): void;
  onError(error: HocError): void;
}

interface Exchange {
  /** Whether any of the request was written to a connection. */
  readonly sent: boolean;
  pause(): void;
  resume(): void;
  abort(): void;
}

export interface UpstreamClient {
  send(request: Request, listener: Listener): Exchange;
  /** Lets open exchanges end, then closes every connection. */
  close(): Promise<void>;
}

interface Target {
  pool: Pool;
  /** Path of the base URL without its last slash. */
  prefix: string;
}

/**
 * Sends requests to providers over kept-alive connections, one pool a base URL.
 *
 * Private and loopback addresses are refused at connect, after DNS, unless the provider allows them. Nothing is retried,
 * no redirect is followed. Errors are HocError `upstream_failed` or `upstream_refused_address`; none holds a body or header.
 */
export function createUpstreamClient(): UpstreamClient {
  const targets = new Map<string, Target>();

  function targetOf(provider: ProviderEntry): Target {
    const name = `${provider.allow_private ? 'any' : 'public'} ${provider.connect_timeout_ms} ${provider.base_url}`;
    const known = targets.get(name);
    if (known !== undefined) return known;
    const url = new URL(provider.base_url);
    const pool = new Pool(url.origin, {
      connections: null,
      pipelining: 1,
      keepAliveTimeout: 30_000,
      connect: {
        timeout: provider.connect_timeout_ms,
        ...(provider.allow_private ? {} : { lookup: lookupPublic }),
      },
    });
    const target = { pool, prefix: url.pathname.replace(/\/$/, '') };
    targets.set(name, target);
    return target;
  }

  return {
    send(request, listener) {
      const { provider } = request;
      const exchange = new UpstreamDispatch(listener);
      const host = hostOf(provider.base_url);
      if (!provider.allow_private && isIP(host) !== 0 && isClosedAddress(host)) {
        queueMicrotask(() => exchange.fail(refusedAddress(host)));
        return exchange;
      }
      const { pool, prefix } = targetOf(provider);
      pool.dispatch(
        {
          path: joinPath(prefix, request.path),
          method: request.method as Dispatcher.HttpMethod,
          headers: request.headers,
          body: request.body,
          headersTimeout: provider.headers_timeout_ms,
          bodyTimeout: provider.idle_timeout_ms,
        },
        exchange,
      );
      return exchange;
    },
    async close() {
      await Promise.all([...targets.values()].map(({ pool }) => pool.close()));
    },
  };
}

/** Most bytes of an answer that ends with its connection that are kept for a caller who reads slowly. */
const maxHeldBytes = 32 * 1024 * 1024;

function endsWithConnection(headers: readonly string[]): boolean {
  let framed = false;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index]?.toLowerCase();
    if (name === 'content-length' || name === 'transfer-encoding') framed = true;
    if (name === 'connection' && /\bclose\b/i.test(headers[index + 1] ?? '')) return true;
  }
  return !framed;
}

/** The provider's base path and what the caller asked below it; a query alone belongs to the base path. */
function joinPath(prefix: string, path: string): string {
  const joined = `${prefix}${path}`;
  return joined.startsWith('/') ? joined : `/${joined}`;
}

class UpstreamDispatch implements Dispatcher.DispatchHandler, Exchange {
  readonly #listener: Listener;
  #controller: Dispatcher.DispatchController | null = null;
  #over = false;
  /** Whether the answer ends with its connection; undici 7 fails an assertion where such an end meets a paused parser. */
  #endsWithConnection = false;
  #held: Buffer[] | null = null;
  #heldBytes = 0;
  #ended = false;

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  /** undici names the controller when it begins to write the request to an open connection. */
  get sent(): boolean {
    return this.#controller !== null;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(new Error('caller gone'));
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText?: string,
  ): void {
    if (this.#over || status < 200) return;
    const raw = controller.rawHeaders;
    const headers = Array.isArray(raw)
      ? raw.map((item) => (typeof item === 'string' ? item : item.toString('latin1')))
      : [];
    this.#endsWithConnection = endsWithConnection(headers);
    this.#listener.onHead({ status, statusText: statusText ?? '', headers });
  }

  onResponseData(_controller: Dispatcher.DispatchController | null, chunk: Buffer): void {
    if (this.#over) return;
    if (this.#held === null) {
      this.#listener.onData(chunk);
      return;
    }
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > maxHeldBytes) {
      this.#controller?.abort(new Error('caller too slow'));
      this.fail(new Error('the caller reads too slowly'));
    }
  }

  onResponseEnd(): void {
    if (this.#over) return;
    if (this.#held !== null) {
      this.#ended = true;
      return;
    }
    this.#over = true;
    this.#listener.onEnd();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(error);
  }

  fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#listener.onError(error instanceof HocError ? error : describeFailure(error));
  }

  pause(): void {
    if (this.#endsWithConnection) this.#held ??= [];
    else this.#controller?.pause();
  }

  resume(): void {
    if (this.#held === null) {
      this.#controller?.resume();
      return;
    }
    const held = this.#held;
    this.#held = null;
    this.#heldBytes = 0;
    for (const chunk of held) this.onResponseData(this.#controller, chunk);
    if (this.#ended && this.#held === null) this.onResponseEnd();
  }

  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#controller?.abort(new Error('caller gone'));
  }
}

const lookupPublic: LookupFunction = (hostname, options, callback) => {
  dnsLookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, '', 0);
    const open = addresses.filter(({ address }) => !isClosedAddress(address));
    const first = open[0];
    if (first === undefined) return callback(refusedAddress(hostname), '', 0);
    if (options.all) return callback(null, open);
    return callback(null, first.address, first.family);
  });
};

function hostOf(baseUrl: string): string {
  return new URL(baseUrl).hostname.replace(/^\[|\]$/g, '');
}

function refusedAddress(host: string): HocError {
  return new HocError({
    code: 'upstream_refused_address',
    publicMessage: `The provider's host ${host} is at a private or loopback address; an operator can allow it with allowPrivate.`,
  });
}

const sentences: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'The provider refused the connection.',
  ENOTFOUND: "The provider's host name does not resolve.",
  ECONNRESET: 'The provider closed the connection.',
  UND_ERR_SOCKET: 'The provider closed the connection.',
  UND_ERR_CONNECT_TIMEOUT: 'The provider could not be connected to in time.',
  UND_ERR_HEADERS_TIMEOUT: 'The provider did not begin its answer in time.',
  UND_ERR_BODY_TIMEOUT: 'The provider fell silent in the middle of its answer.',
};

function describeFailure(error: Error): HocError {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const publicMessage = sentences[code] ?? `The exchange with the provider failed (${code || error.name}).`;
  return new HocError({ code: 'upstream_failed', publicMessage, cause: error });
}

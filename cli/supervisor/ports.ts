import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { HocError } from '../../storage/schema/errors.ts';
import { claimPort } from './port-claims.ts';

/** Where a process listens. Port 0 lets the kernel choose. */
export interface Listen {
  host: string;
  port: number;
}

/** How a port is wanted: `asked` is binding, `last` and `standard` are wishes in that order. */
export interface PortWish {
  name: string;
  host: string;
  asked: number | null;
  last: number | null;
  standard: number | null;
}

/** Whether a server could listen there now. */
export function isPortFree(listen: Listen): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ ...listen, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** A port nobody listens on at this moment. */
export function findFreePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port: 0, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/**
 * Chooses the port for `wish`: the one asked for, else the one used last, else the standard one, else any that is free.
 * `taken` are ports already given away in this start; a port that is free but claimed by another supervisor counts as in
 * use. Throws HocError `conflict` when a port that was asked for is in use.
 */
export async function choosePort(wish: PortWish, taken: ReadonlySet<number> = new Set()): Promise<number> {
  const { host, asked } = wish;
  const take = async (port: number): Promise<boolean> =>
    !taken.has(port) && (await isPortFree({ host, port })) && (await claimPort(port));
  if (asked !== null && asked !== 0) {
    if (await take(asked)) return asked;
    throw new HocError({
      code: 'conflict',
      publicMessage: `Port ${asked} on ${host}, asked for as ${wish.name} port, is in use. Stop what listens there, or give another --${wish.name}-port.`,
    });
  }
  const wishes = asked === 0 ? [] : [wish.last, wish.standard];
  for (const port of wishes) {
    if (port !== null && (await take(port))) return port;
  }
  for (;;) {
    const port = await findFreePort(host);
    if (await take(port)) return port;
  }
}

/** Waits until every port can be listened on again; returns those that still cannot after `timeoutMs`. */
export async function waitUntilFree(listens: readonly Listen[], timeoutMs: number): Promise<Listen[]> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const free = await Promise.all(listens.map(isPortFree));
    const busy = listens.filter((_, index) => free[index] === false);
    if (busy.length === 0 || Date.now() >= deadline) return busy;
    await delay(50);
  }
}

/** Reads `host:port` (an IPv6 host in brackets). Throws HocError `input_invalid` naming the variable it came from. */
export function parseListen(text: string, name: string): Listen {
  const found = /^(\[[0-9a-fA-F:]+\]|[^:]+):(\d{1,5})$/.exec(text.trim());
  const port = Number(found?.[2]);
  if (found?.[1] === undefined || port > 65_535) {
    throw new HocError({
      code: 'input_invalid',
      publicMessage: `${name} is "${text}"; expected host:port, for example 127.0.0.1:7080.`,
    });
  }
  return { host: found[1].replace(/^\[|\]$/g, ''), port };
}

/** The URL a client on this machine uses for a listen address: wildcard hosts become loopback. */
export function localUrl(listen: Listen): string {
  const host = listen.host === '0.0.0.0' || listen.host === '::' ? '127.0.0.1' : listen.host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${listen.port}`;
}

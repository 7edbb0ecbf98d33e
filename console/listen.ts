import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { HocError } from '../storage/schema/errors.ts';

/**
 * Makes servers listen and returns their real addresses as URLs, in order. Where one cannot, those before it are closed
 * and the error says why.
 */
export async function listenAll(
  servers: readonly (readonly [FastifyInstance, { host: string; port: number }])[],
): Promise<string[]> {
  const urls: string[] = [];
  try {
    for (const [server, address] of servers) urls.push(await listen(server, address));
    return urls;
  } catch (error) {
    await Promise.all(servers.slice(0, urls.length).map(([server]) => server.close()));
    throw error;
  }
}

async function listen(server: FastifyInstance, address: { host: string; port: number }): Promise<string> {
  await server.listen(address);
  const { address: host, port, family } = server.server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${host}]` : host}:${port}`;
}

/** Waits for `work`, at most `timeoutMs`; later than that is `engine_unavailable` with the given message. */
export async function withTimeout(work: Promise<void>, timeoutMs: number, message: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    const late = new HocError({ code: 'engine_unavailable', publicMessage: message });
    timer = setTimeout(() => reject(late), timeoutMs);
  });
  await Promise.race([work, timeout]).finally(() => clearTimeout(timer));
}

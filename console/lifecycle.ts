import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { HocError } from '../storage/schema/errors.ts';
import type { Environment } from './environment.ts';

/** Makes a server listen and returns its real address as a URL. */
export async function listen(server: FastifyInstance, address: { host: string; port: number }): Promise<string> {
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

/** Resolves when the process is asked to end: by signal, or by its parent's pipe where it was given one. */
export function waitForEnd(env: Environment): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
    if (env.HOC_PARENT_PIPE !== '1') return;
    process.stdin.once('end', () => resolve());
    process.stdin.once('close', () => resolve());
    process.stdin.resume();
  });
}

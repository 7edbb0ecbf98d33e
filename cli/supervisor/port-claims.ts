import { createServer, type Server } from 'node:net';

const held = new Map<number, Server>();

/**
 * Claims a port for this supervisor until it ends, so that two that start in the same moment never choose the same one: a
 * port is chosen long before its child listens on it. False where another supervisor on this machine holds the claim.
 *
 * The claim is a socket in Linux's abstract namespace: the kernel grants it once, and takes it back however we end.
 */
export function claimPort(port: number): Promise<boolean> {
  if (held.has(port)) return Promise.resolve(true);
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'EADDRINUSE'));
    server.listen({ path: `\0hoc.port.${port}` }, () => {
      server.unref();
      held.set(port, server);
      resolve(true);
    });
  });
}

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A provider on loopback that does what a test tells it, request by request. */
export type Provide = (request: IncomingMessage & { body: string }, response: ServerResponse) => void;

/** Starts it on a free port; until it is told how, it answers nothing. */
export async function startProvider(): Promise<{ url: string; provide: (how: Provide) => void; stop: () => void }> {
  let provide: Provide = (_, response) => void response.end();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => provide(Object.assign(request, { body: Buffer.concat(chunks).toString() }), response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    provide: (how) => {
      provide = how;
    },
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A provider that writes the bytes that it is given, in the pieces in which it is given them. */
export interface ByteProvider {
  url: string;
  /** How every request is answered from now on; the response has no head yet. */
  answer(how: (response: ServerResponse) => void): void;
  close(): void;
}

/** Starts it on a free port. Small pieces leave at once: nothing waits for more of them. */
export async function startByteProvider(): Promise<ByteProvider> {
  let answer: (response: ServerResponse) => void = (response) => response.end();
  const server = createServer((request, response) => {
    request.resume();
    request.socket.setNoDelay(true);
    request.once('end', () => answer(response));
  });
  server.keepAliveTimeout = 75_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answer: (how) => {
      answer = how;
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Answers with an event stream in these pieces, each written once the event loop had its turn. */
export function streamPieces(pieces: readonly Uint8Array[]): (response: ServerResponse) => void {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (at: number): void => {
      const piece = pieces[at];
      if (piece === undefined) response.end();
      else response.write(piece, () => setImmediate(() => send(at + 1)));
    };
    send(0);
  };
}

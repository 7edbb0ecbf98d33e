import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { streamedAnswer, wholeAnswer } from './answers.ts';

/**
 * The provider that all contenders face: reads the request to its end and answers at once, a whole answer of 2 KB or a
 * stream with one event a turn of the event loop. Does as little as it can, so that it is not what is measured.
 */
const whole = wholeAnswer(2048);
const events = streamedAnswer();
const streamAsked = Buffer.from('"stream":true');

function answer(request: IncomingMessage, response: ServerResponse): void {
  let streamed = false;
  request.on('data', (chunk: Buffer) => {
    streamed ||= chunk.includes(streamAsked);
  });
  request.on('end', () => {
    if (streamed) sendEvents(response);
    else response.writeHead(200, { 'content-type': 'application/json', 'content-length': whole.length }).end(whole);
  });
}

function sendEvents(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  let next = 0;
  const send = (): void => {
    if (response.destroyed) return;
    const event = events[next];
    next += 1;
    if (event === undefined) {
      response.end();
      return;
    }
    response.write(event);
    setImmediate(send);
  };
  send();
}

const server = createServer({ keepAliveTimeout: 300_000 }, answer);
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ ready: true, url: `http://127.0.0.1:${port}` })}\n`);
});
process.stdin.resume().on('end', () => process.exit(0));

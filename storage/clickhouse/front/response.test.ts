import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import t from 'tap';
import type { FrontRequest } from './request.ts';
import { sendAnswer, watchCaller } from './response.ts';

const request: FrontRequest = {
  queryId: 'q',
  urlQuery: '',
  parameters: new Map(),
  settings: new Map(),
  database: null,
  defaultFormat: null,
  waitEndOfQuery: false,
  compress: null,
  bodyEncoding: null,
  readOnly: false,
};

async function* chunksOf(count: number, bytes: number): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index++) yield Buffer.alloc(bytes, 0x61);
}

/** Answers one request by `answer`, and says how that ended. */
async function answerOnce(answer: (response: ServerResponse) => Promise<void>): Promise<'sent' | 'left' | 'held'> {
  let end: (outcome: 'sent' | 'left' | 'held') => void = () => undefined;
  const outcome = new Promise<'sent' | 'left' | 'held'>((resolve) => {
    end = resolve;
  });
  const server = createServer((_, response) => {
    answer(response).then(
      () => end('sent'),
      () => end('left'),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const patience = setTimeout(() => end('held'), 10_000);
  const ended = await outcome;
  clearTimeout(patience);
  socket.destroy();
  server.closeAllConnections();
  server.close();
  return ended;
}

for (const compress of [null, 'gzip', 'deflate'] as const) {
  const asked = { ...request, compress };
  const name = compress ?? 'plain';

  t.test(`a caller that leaves while the last bytes are written holds nothing up, ${name}`, async (t) => {
    const ended = await answerOnce((response) => {
      const left = watchCaller(response).signal;
      // The response learns of it only after everything was written and its end was asked for.
      response.socket?.destroy();
      return sendAnswer(response, asked, {
        answer: { kind: 'stream', chunks: chunksOf(3, 10) },
        format: 'CSV',
        left,
      });
    });
    t.equal(ended, 'left');
  });

  t.test(`a caller that is gone before an empty stream ends holds nothing up, ${name}`, async (t) => {
    const ended = await answerOnce(async (response) => {
      const left = watchCaller(response).signal;
      response.socket?.destroy();
      await new Promise((resolve) => response.once('close', resolve));
      await sendAnswer(response, asked, { answer: { kind: 'stream', chunks: chunksOf(0, 0) }, format: 'CSV', left });
    });
    t.equal(ended, 'left');
  });

  t.test(`a whole answer to a caller that stays is sent, ${name}`, async (t) => {
    const ended = await answerOnce((response) =>
      sendAnswer(response, asked, {
        answer: { kind: 'stream', chunks: chunksOf(20, 1_000_000) },
        format: 'CSV',
        left: watchCaller(response).signal,
      }),
    );
    t.equal(ended, 'sent');
  });
}

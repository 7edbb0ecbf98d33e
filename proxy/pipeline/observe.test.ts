import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import t from 'tap';
import { recognizeDialect } from '../dialects/index.ts';
import { openObservation } from './observe.ts';

const route = { method: 'POST', path: '/v1/chat/completions' };
const dialect = recognizeDialect({ route, body: { model: 'm', messages: [] }, allowed: 'auto' });
const whole = JSON.stringify({
  choices: [{ message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
});
const events = [
  'data: {"choices":[{"index":0,"delta":{"content":"hello"}}]}\n\n',
  'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}\n\n',
  'data: [DONE]\n\n',
];

function open(type: string, encoding: string | null, maxBytes = 1_000_000) {
  const headers = ['Content-Type', type, ...(encoding === null ? [] : ['Content-Encoding', encoding])];
  return openObservation({
    dialect,
    head: { status: 200, statusText: 'OK', headers },
    salt: '00'.repeat(16),
    maxBytes,
  });
}

const push = (observation: ReturnType<typeof open>, chunk: Buffer) =>
  new Promise<number>((resolve) => observation.push(chunk, resolve));

t.test('usage of a whole answer is read in every encoding, and its last bytes wait', async (t) => {
  const encodings = [
    [null, Buffer.from(whole)],
    ['gzip', gzipSync(whole)],
    ['deflate', deflateSync(whole)],
    ['br', brotliCompressSync(whole)],
  ] as const;
  for (const [encoding, bytes] of encodings) {
    const observation = open('application/json', encoding);
    t.equal(await push(observation, bytes), 0);
    t.match(observation.end(), { usageReported: true, usage: { input_tokens: 7, output_tokens: 3 } }, String(encoding));
  }
});

t.test('usage of a stream is read in every encoding, and its terminal event waits', async (t) => {
  const plain = open('text/event-stream', null);
  for (const event of events) {
    const held = await push(plain, Buffer.from(event));
    t.equal(held < event.length, event.includes('[DONE]'), event);
  }
  t.match(plain.end(), { usageReported: true, usage: { output_tokens: 3 }, outputCharacters: 5 });
  for (const [encoding, bytes] of [
    ['gzip', gzipSync(events.join(''))],
    ['br', brotliCompressSync(events.join(''))],
  ] as const) {
    const observation = open('text/event-stream', encoding);
    let held = Number.POSITIVE_INFINITY;
    for (let at = 0; at < bytes.length; at += 7)
      held = Math.min(held, await push(observation, bytes.subarray(at, at + 7)));
    t.equal(held, 0, 'the compressed chunk that brings the terminal event waits');
    t.match(observation.end(), { usageReported: true, usage: { output_tokens: 3 } }, encoding);
  }
});

t.test('an answer that cannot be decoded, or is too large to keep, is forwarded with unknown usage', async (t) => {
  const broken = open('text/event-stream', 'gzip');
  t.equal(await push(broken, Buffer.from('not gzip at all')), 15);
  t.equal(broken.end().usageReported, false);
  const unknown = open('application/json', 'x-unknown');
  await push(unknown, Buffer.from(whole));
  t.equal(unknown.end().usageReported, false);
  const large = open('application/json', null, 10);
  await push(large, Buffer.from(whole));
  t.equal(large.end().usageReported, false);
});

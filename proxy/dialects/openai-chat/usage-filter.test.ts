import fc from 'fast-check';
import t from 'tap';
import { chatStream, cuts, splitAt } from '../fixtures/streams.ts';
import { openChatUsageFilter } from './usage-filter.ts';

function filter(pieces: readonly Uint8Array[]): string {
  const usageFilter = openChatUsageFilter();
  const released = pieces.map((piece) => Buffer.from(usageFilter.push(piece)));
  return Buffer.concat([...released, Buffer.from(usageFilter.end())]).toString();
}

const texts = ['wörld', ' "usage":null ', ' 😀', ',"usage":null,'];

t.test('what was asked for is taken out, and nothing else, in every chunking', async (t) => {
  for (const lineEnd of ['\n', '\r\n', '\r']) {
    const asked = Buffer.from(chatStream(texts, { lineEnd }));
    const plain = chatStream(texts, { usage: false, lineEnd });
    t.equal(filter([asked]), plain, JSON.stringify(lineEnd));
    fc.assert(
      fc.property(cuts(asked.length), (places) => filter(splitAt(asked, places)) === plain),
      { numRuns: 60 },
    );
  }
});

t.test('a stream that carries nothing of it passes as it is', async (t) => {
  const streams = [
    chatStream(texts, { usage: false }),
    ': ping\n\ndata: {"choices":[],"prompt_filter_results":[]}\n\ndata: [DONE]',
    'data: {"choices":[{"delta":{},"usage":null}],"usage":{"prompt_tokens":1}}\n\n',
    'data: {"error":{"usage":null}}\n\n',
    'data: {broken "usage":null\n\n',
    '',
  ];
  for (const stream of streams) t.equal(filter([Buffer.from(stream)]), stream);
});

t.test('white space around the members is no obstacle', async (t) => {
  t.equal(filter([Buffer.from('data: {"usage" : null , "a": 1}\n\n')]), 'data: {"a": 1}\n\n');
  t.equal(filter([Buffer.from('data: {"a": 1, "usage": null}\n\n')]), 'data: {"a": 1}\n\n');
  t.equal(filter([Buffer.from('data: {"usage":null}\n\n')]), 'data: {}\n\n');
});

t.test('an event too large to be of concern flows through', async (t) => {
  const big = Buffer.from(`data: "${'a'.repeat(3 * 1024 * 1024)}"\n\n${chatStream(['x'])}`);
  const pieces = splitAt(big, [1_000_000, 2_000_000, 3_000_000]);
  const usageFilter = openChatUsageFilter();
  const first = pieces.slice(0, 3).reduce((sum, piece) => sum + usageFilter.push(piece).length, 0);
  t.ok(first > 2_900_000, 'it is not held');
  t.equal(filter(pieces).length, big.length - chatStream(['x']).length + chatStream(['x'], { usage: false }).length);
});

import fc from 'fast-check';
import t from 'tap';
import { anthropicMessages } from './anthropic-messages/index.ts';
import type { Dialect } from './dialect.ts';
import { chatStream, cuts, messageStream, splitAt } from './fixtures/streams.ts';
import { opaque } from './opaque/index.ts';
import { openaiChat } from './openai-chat/index.ts';
import { measureJson } from './output-bound.ts';

const open = (dialect: Dialect) => dialect.openStream('text/event-stream');

function boundOf(dialect: Dialect, events: readonly object[]): number {
  const reader = open(dialect);
  reader.push(Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')));
  return reader.outputBoundTokens();
}

const delta = (member: object) => ({ choices: [{ index: 0, delta: member, finish_reason: null }] });
const chatBound = (member: object) => boundOf(openaiChat, [delta(member)]) - 17;

t.test('the bound of a stream never falls below the bytes of its text, at any point of any chunking', async (t) => {
  const text = fc.array(fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 8 });
  for (const [dialect, render] of [
    [openaiChat, chatStream],
    [anthropicMessages, messageStream],
  ] as const) {
    fc.assert(
      fc.property(
        text.chain((texts) => {
          const bytes = Buffer.from(render(texts));
          return fc.tuple(fc.constant(texts), fc.constant(bytes), cuts(bytes.length));
        }),
        ([texts, bytes, places]) => {
          const reader = open(dialect);
          const told: number[] = [];
          for (const piece of splitAt(bytes, places)) {
            reader.push(piece);
            told.push(reader.outputBoundTokens());
          }
          const whole = open(dialect);
          whole.push(bytes);
          const facts = reader.end();
          const rising = told.every((bound, index) => index === 0 || bound >= (told[index - 1] ?? 0));
          return (
            rising &&
            facts.outputBoundTokens >= Buffer.byteLength(texts.join('')) &&
            facts.outputBoundTokens === whole.end().outputBoundTokens
          );
        },
      ),
      { numRuns: 300 },
    );
  }
  t.pass('held');
});

t.test('a prefix has the same bound in every chunking', async (t) => {
  const bytes = Buffer.from(chatStream(['a'.repeat(20_000), 'b', 'é'.repeat(9_000), 'c']));
  fc.assert(
    fc.property(cuts(bytes.length), fc.integer({ min: 1, max: bytes.length }), (places, length) => {
      const reader = open(openaiChat);
      const pieces = splitAt(
        bytes.subarray(0, length),
        places.filter((place) => place < length),
      );
      for (const piece of pieces) reader.push(piece);
      const whole = open(openaiChat);
      whole.push(bytes.subarray(0, length));
      return reader.outputBoundTokens() === whole.outputBoundTokens();
    }),
    { numRuns: 60 },
  );
  t.pass('held');
});

t.test('text counts under every name, and once where one event repeats it under another', async (t) => {
  t.equal(chatBound({ content: 'abc' }), 3);
  t.equal(chatBound({ content: 'é€😀' }), 9);
  t.equal(chatBound({ refusal: 'abc' }), 3);
  t.equal(chatBound({ reasoning: 'abc', reasoning_content: 'abc' }), 3);
  t.equal(chatBound({ reasoning: 'abc', reasoning_details: [{ text: 'abc' }] }), 3);
  t.equal(chatBound({ reasoning: 'abc', reasoning_content: 'xyz' }), 6, 'two texts are two');
  t.equal(chatBound({ content: [{ text: 'ok' }, { text: 'ok' }] }), 4, 'and so are two parts');
  t.equal(chatBound({ content: 'abc', reasoning: 'abc' }), 6, 'an answer may repeat its reasoning');
});

t.test('a call counts its name, id and arguments and what a model writes around them', async (t) => {
  const call = { tool_calls: [{ index: 0, id: 'call', function: { name: 'add', arguments: '{"a":1}' } }] };
  t.equal(chatBound(call), 4 + 3 + 7 + 64);
  const events = [
    { type: 'content_block_start', content_block: { type: 'tool_use', id: 'call', name: 'add', input: {} } },
    { type: 'content_block_delta', delta: { type: 'input_json_delta', partial_json: '{"a":1}' } },
  ];
  t.equal(boundOf(anthropicMessages, events), 4 + 3 + 7 + 64 + 2 + 16);
});

t.test('escapes never make the bound smaller than the text', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (text) => {
      const escaped = [...Array(text.length).keys()]
        .map((at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`)
        .join('');
      const reader = open(openaiChat);
      reader.push(Buffer.from(`data: {"choices":[{"delta":{"content":"${escaped}"}}]}\n\n`));
      return reader.outputBoundTokens() - 17 >= Buffer.byteLength(text);
    }),
  );
  t.pass('held');
});

t.test('audio and images of an answer have an allowance, streamed or whole', async (t) => {
  t.equal(chatBound({ audio: { data: 'x'.repeat(640), transcript: 'hi' } }), 20 + 2);
  const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
  t.equal(chatBound({ content: '', images: [image] }), 8192);
  const message = { role: 'assistant', content: 'hi', images: [image], audio: { data: 'x'.repeat(640) } };
  const whole = openaiChat.readAnswer(Buffer.from(JSON.stringify({ choices: [{ message }] })), 'application/json');
  t.ok(whole.outputBoundTokens > 8192 + 20 && whole.outputBoundTokens < 8192 + 20 + 40);
});

t.test('an event that never ends counts with its bytes while it is open', async (t) => {
  const reader = open(openaiChat);
  reader.push(Buffer.from('data: {"choices":[{"delta":{"content":"'));
  t.equal(reader.outputBoundTokens(), 0);
  for (let sent = 0; sent < 40; sent++) reader.push(Buffer.alloc(64 * 1024, 0x61));
  t.ok(reader.outputBoundTokens() >= 40 * 64 * 1024);
  t.ok(reader.end().outputBoundTokens >= 40 * 64 * 1024, 'and when the stream ends within it');
  const short = open(openaiChat);
  short.push(Buffer.from('data: {"choices":[{"delta":{"content":"abcdef'));
  t.equal(short.end().outputBoundTokens, 6 + 1 + 16, 'a text that breaks off counts as far as it came');
});

t.test('the provider tells the input as soon as it does', async (t) => {
  const reader = open(anthropicMessages);
  t.equal(reader.inputTokens(), null);
  const bytes = Buffer.from(messageStream(['a']));
  reader.push(bytes.subarray(0, bytes.indexOf('event: ping')));
  t.equal(reader.inputTokens(), 12);
  const chat = open(openaiChat);
  chat.push(Buffer.from(chatStream(['a'])));
  t.equal(chat.inputTokens(), 12);
});

t.test('an opaque answer is bounded by its bytes', async (t) => {
  const reader = open(opaque);
  reader.push(Buffer.from('abc'));
  reader.push(Buffer.from('de'));
  t.equal(reader.outputBoundTokens(), 5);
  t.equal(reader.end().outputBoundTokens, 5);
  t.equal(opaque.readAnswer(Buffer.from('abcd'), null).outputBoundTokens, 4);
});

t.test('the size of nested JSON is that of its text, and no depth breaks it', async (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      const { units, bytes } = measureJson(JSON.parse(text));
      return units === text.length && bytes === Buffer.byteLength(text);
    }),
  );
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
  t.equal(measureJson(JSON.parse(deep)).bytes, 100_000);
  const message = `{"content":[{"type":"tool_use","name":"a","input":{"a":${deep}}}],"usage":{"input_tokens":1,"output_tokens":1}}`;
  const facts = anthropicMessages.readAnswer(Buffer.from(message), 'application/json');
  t.equal(facts.usage.output_tokens, 1);
  t.ok(facts.outputBoundTokens > 100_000);
});

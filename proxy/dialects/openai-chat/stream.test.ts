import fc from 'fast-check';
import t from 'tap';
import { chatStream, cuts, readAll, splitAt } from '../fixtures/streams.ts';
import { openaiChat } from './index.ts';

const texts = ['Hel', 'lo ', 'wörld 😀', ' "quoted" \\ \n', ' {"usage":1}', '[DONE]'];
const open = () => openaiChat.openStream('text/event-stream; charset=utf-8');
const read = (stream: string) => readAll(open(), [Buffer.from(stream)]);

t.test('a stream tells usage, model, reason and text, and holds its [DONE]', async (t) => {
  const stream = chatStream(texts);
  const { facts, heldFrom } = read(stream);
  t.strictSame(facts, {
    usage: {
      input_tokens: 12,
      output_tokens: 7,
      cached_input_tokens: 4,
      cache_write_tokens: null,
      reasoning_tokens: 2,
    },
    usageReported: true,
    usageFlaw: null,
    model: 'sim-small',
    finishReason: 'stop',
    outputCharacters: texts.join('').length,
    outputBoundTokens: Buffer.byteLength(texts.join('')) + (texts.length + 3) + 16,
    failed: false,
  });
  t.equal(heldFrom, Buffer.from(stream).indexOf('data: [DONE]'));
});

t.test('every split of a stream gives the same facts and holds the terminal marker', async (t) => {
  for (const lineEnd of ['\n', '\r\n', '\r']) {
    const bytes = Buffer.from(chatStream(texts, { lineEnd }));
    const { facts } = readAll(open(), [bytes]);
    const start = bytes.indexOf('data: [DONE]');
    fc.assert(
      fc.property(cuts(bytes.length), (places) => {
        const seen = readAll(open(), splitAt(bytes, places));
        t.strictSame(seen.facts, facts);
        return seen.heldFrom >= start && seen.heldFrom <= start + 'data: [DONE]'.length - 1;
      }),
      { numRuns: 60 },
    );
  }
});

t.test('every prefix of a stream is read without an error and fails unless it was complete', async (t) => {
  const bytes = Buffer.from(chatStream(texts));
  const complete = bytes.indexOf('"finish_reason":"stop"');
  for (let length = 0; length < bytes.length; length++) {
    const { facts } = readAll(open(), [bytes.subarray(0, length)]);
    if (!facts.failed && length < complete) t.fail(`prefix of ${length} bytes`);
    if (facts.failed && length > complete + 60) t.fail(`prefix of ${length} bytes`);
    if (facts.outputCharacters > texts.join('').length) t.fail(`prefix of ${length} bytes has more text`);
  }
  t.pass('all prefixes');
});

const chunk = (members: string) =>
  `data: {"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]${members}}\n\n`;

t.test('usage snapshots are running totals: the last one stands', async (t) => {
  const snapshot = (n: number) =>
    chunk(`,"usage":{"prompt_tokens":10,"completion_tokens":${n},"total_tokens":${10 + n}}`);
  const { facts } = read(`${snapshot(1)}${snapshot(2)}${snapshot(3)}data: [DONE]\n\n`);
  t.equal(facts.usage.input_tokens, 10);
  t.equal(facts.usage.output_tokens, 3);
  t.equal(facts.outputCharacters, 3);
});

t.test('an empty or null report after a good one takes nothing back', async (t) => {
  const good = chunk(',"usage":{"prompt_tokens":10,"completion_tokens":2}');
  const { facts } = read(`${good}${chunk(',"usage":null')}${chunk(',"usage":{}')}data: [DONE]\n\n`);
  t.equal(facts.usage.output_tokens, 2);
});

t.test('usage is found where compatible providers put it', async (t) => {
  const usage = '{"prompt_tokens":10,"completion_tokens":2}';
  t.equal(read(chunk(`,"x_groq":{"id":"x","usage":${usage}}`)).facts.usage.input_tokens, 10);
  const inChoice = `data: {"choices":[{"delta":{},"finish_reason":"stop","usage":${usage}}]}\n\n`;
  t.equal(read(inChoice).facts.usage.input_tokens, 10);
});

t.test('a silent provider is told as silent', async (t) => {
  const { facts } = read(chatStream(['abc'], { usage: false }));
  t.equal(facts.usageReported, false);
  t.equal(facts.usage.input_tokens, null);
  t.equal(facts.outputCharacters, 3);
  t.equal(facts.failed, false);
});

t.test('an error inside the stream is a failure, also before [DONE]', async (t) => {
  t.equal(read(`${chunk('')}data: {"error":{"message":"x"}}\n\ndata: [DONE]\n\n`).facts.failed, true);
  t.equal(read('event: error\ndata: {"error":{"message":"x"}}\n\n').facts.failed, true);
});

t.test('reasoning under two names counts once, tool arguments count', async (t) => {
  const delta = (members: string) => `data: {"choices":[{"index":0,"delta":{${members}},"finish_reason":null}]}\n\n`;
  const stream = [
    delta('"reasoning":"abcd","reasoning_content":"abcd","reasoning_details":[{"type":"t","text":"abcd"}]'),
    delta('"tool_calls":[{"index":0,"function":{"name":"n","arguments":"{\\"a\\":1}"}}]'),
    delta('"content":"xy"'),
    'data: [DONE]\n\n',
  ].join('');
  t.equal(read(stream).facts.outputCharacters, 4 + 7 + 2);
});

t.test('garbage between events costs nothing but itself', async (t) => {
  const { facts } = read(`data: {broken\n\ndata: 7\n\ndata: null\n\n${chatStream(['ok'])}`);
  t.equal(facts.usage.output_tokens, 7);
  t.equal(facts.failed, false);
});

t.test('a JSON body under any content type is read as the whole answer it is', async (t) => {
  const body = Buffer.from(
    '{"model":"m","choices":[{"message":{"content":"hey"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}',
  );
  for (const type of ['application/json', null, 'text/plain']) {
    const { facts, heldFrom } = readAll(openaiChat.openStream(type), [body.subarray(0, 9), body.subarray(9)]);
    t.equal(facts.usage.output_tokens, 2);
    t.equal(facts.outputCharacters, 3);
    t.equal(heldFrom, -1);
  }
  t.equal(openaiChat.readAnswer(Buffer.from(chatStream(['a'])), 'application/json').usage.output_tokens, 7);
});

t.test('a whole answer and a stream of the same exchange tell the same facts', async (t) => {
  const whole = {
    model: 'sim-small',
    choices: [{ index: 0, message: { role: 'assistant', content: texts.join('') }, finish_reason: 'stop' }],
    usage: {
      prompt_tokens: 12,
      completion_tokens: 7,
      total_tokens: 19,
      prompt_tokens_details: { cached_tokens: 4 },
      completion_tokens_details: { reasoning_tokens: 2 },
    },
  };
  const facts = openaiChat.readAnswer(Buffer.from(JSON.stringify(whole)), 'application/json');
  const streamed = read(chatStream(texts)).facts;
  t.strictSame({ ...facts, outputBoundTokens: 0 }, { ...streamed, outputBoundTokens: 0 });
  t.ok(facts.outputBoundTokens <= streamed.outputBoundTokens, 'only its events are missing');
});

t.test('a whole answer that cannot be read is a failed one without facts', async (t) => {
  for (const body of ['', '{"a":', 'null', '[]', '<html>']) {
    const facts = openaiChat.readAnswer(Buffer.from(body), 'application/json');
    t.equal(facts.failed, true, body);
    t.equal(facts.usageReported, false);
  }
  t.equal(openaiChat.readAnswer(Buffer.from('{"error":{"message":"x"}}'), 'application/json').failed, true);
});

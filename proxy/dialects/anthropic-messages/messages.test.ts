import fc from 'fast-check';
import t from 'tap';
import { cuts, messageStream, readAll, splitAt } from '../fixtures/streams.ts';
import { anthropicMessages } from './index.ts';
import { readMessagesRequest } from './request.ts';

const texts = ['Hel', 'lo ', 'wörld 😀', ' "message_stop" \\ \n', 'event: message_stop'];
const open = () => anthropicMessages.openStream('text/event-stream');
const read = (stream: string) => readAll(open(), [Buffer.from(stream)]);
const request = (body: unknown) =>
  readMessagesRequest({
    route: { method: 'POST', path: '/v1/messages' },
    body,
    bytes: Buffer.from(JSON.stringify(body) ?? ''),
  });

t.test('a stream tells usage, model, reason and text, and holds its message_stop', async (t) => {
  const stream = messageStream(texts);
  const { facts, heldFrom } = read(stream);
  t.strictSame(facts, {
    usage: {
      input_tokens: 12,
      output_tokens: 9,
      cached_input_tokens: 4,
      cache_write_tokens: 3,
      reasoning_tokens: null,
    },
    usageReported: true,
    usageFlaw: null,
    model: 'claude-sim',
    finishReason: 'end_turn',
    outputCharacters: texts.join('').length,
    outputBoundTokens: Buffer.byteLength(texts.join('')) + (texts.length + 5) + 16,
    failed: false,
  });
  t.equal(heldFrom, Buffer.from(stream).lastIndexOf('event: message_stop\n'));
});

t.test('every split of a stream gives the same facts and holds the terminal marker', async (t) => {
  for (const lineEnd of ['\n', '\r\n']) {
    const bytes = Buffer.from(messageStream(texts, lineEnd));
    const { facts } = readAll(open(), [bytes]);
    const start = bytes.lastIndexOf('event: message_stop');
    fc.assert(
      fc.property(cuts(bytes.length), (places) => {
        const seen = readAll(open(), splitAt(bytes, places));
        t.strictSame(seen.facts, facts);
        // Its marker is complete with the end of its line.
        return seen.heldFrom >= start && seen.heldFrom <= start + 'event: message_stop'.length;
      }),
      { numRuns: 60 },
    );
  }
});

t.test('every prefix is read without an error, and fails', async (t) => {
  const bytes = Buffer.from(messageStream(texts));
  const end = bytes.lastIndexOf('event: message_stop') + 'event: message_stop'.length;
  for (let length = 0; length < bytes.length; length++) {
    const { facts } = readAll(open(), [bytes.subarray(0, length)]);
    if (facts.failed !== length < end) t.fail(`prefix of ${length} bytes`);
  }
  t.pass('all prefixes');
});

t.test('a stream without event names is read by its types', async (t) => {
  const bare = messageStream(texts).replace(/^event: .*\n/gm, '');
  const { facts, heldFrom } = read(bare);
  t.equal(facts.usage.output_tokens, 9);
  t.equal(facts.failed, false);
  t.equal(heldFrom, Buffer.from(bare).indexOf('data: {"type":"message_stop"'));
});

t.test('usage reports are running totals: never added up, and one that falls is flagged', async (t) => {
  const start = (usage: object) =>
    `data: ${JSON.stringify({ type: 'message_start', message: { model: 'm', usage } })}\n\n`;
  const delta = (usage: object) => `data: ${JSON.stringify({ type: 'message_delta', delta: {}, usage })}\n\n`;
  const usage = (stream: string) => read(stream).facts.usage;
  const grown = usage(start({ input_tokens: 5, output_tokens: 1 }) + delta({ input_tokens: 50, output_tokens: 7 }));
  t.equal(grown.input_tokens, 50);
  t.equal(grown.output_tokens, 7);
  const partial = usage(start({ input_tokens: 5, cache_read_input_tokens: 2 }) + delta({ output_tokens: 7 }));
  t.equal(partial.input_tokens, 7);
  const zeroed = usage(
    start({ input_tokens: 5 }) + delta({ input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 7 }),
  );
  t.equal(zeroed.input_tokens, 5);
  const fallen = read(start({ input_tokens: 5, output_tokens: 9 }) + delta({ output_tokens: 7 })).facts;
  t.match(fallen, { usage: { input_tokens: 5, output_tokens: 9 }, usageFlaw: 'inconsistent' });
  const thinking = usage(
    start({ input_tokens: 5 }) + delta({ output_tokens: 7, output_tokens_details: { thinking_tokens: 3 } }),
  );
  t.equal(thinking.reasoning_tokens, 3);
});

t.test(
  'cache writes that are kept for an hour are told apart, and bounded only where a request can ask for them',
  async (t) => {
    const cache_creation = { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 10 };
    const usage = { input_tokens: 5, output_tokens: 1, cache_creation_input_tokens: 30, cache_creation };
    const { facts } = read(`data: ${JSON.stringify({ type: 'message_start', message: { model: 'm', usage } })}\n\n`);
    t.match(facts.usage, { input_tokens: 35, cache_write_tokens: 30, cache_write_1h_tokens: 10 });
    t.same(anthropicMessages.readAnswer(Buffer.from(JSON.stringify({ usage })), null).usage, facts.usage);
    const system = (cache_control: object) => [{ type: 'text', text: 's', cache_control }];
    t.equal(request({ model: 'm', system: system({ type: 'ephemeral', ttl: '1h' }), messages: [] }).longCache, true);
    t.equal(request({ model: 'm', system: system({ type: 'ephemeral' }), messages: [] }).longCache, false);
  },
);

t.test('a mode or region that price lists have no rate for is told', async (t) => {
  const unlisted = (body: object) => request({ model: 'm', messages: [], ...body }).unlistedRate;
  t.equal(unlisted({ speed: 'fast' }), true);
  t.equal(unlisted({ inference_geo: 'us' }), true);
  t.equal(unlisted({ service_tier: 'priority' }), true);
  t.equal(unlisted({ speed: 'standard', inference_geo: 'global', service_tier: 'standard_only' }), false);
  t.equal(unlisted({ speed: null }), false);
});

t.test('a negative figure is left out and flagged', async (t) => {
  const facts = anthropicMessages.readAnswer(Buffer.from('{"usage":{"input_tokens":-1,"output_tokens":3}}'), null);
  t.equal(facts.usage.input_tokens, null);
  t.equal(facts.usageFlaw, 'invalid');
});

t.test('an error event is a failure', async (t) => {
  const error = 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"x"}}\n\n';
  t.equal(read(error).facts.failed, true);
  t.equal(read(error + messageStream(texts)).facts.failed, true);
});

t.test('a whole answer and a stream of the same exchange tell the same facts', async (t) => {
  const whole = {
    type: 'message',
    model: 'claude-sim',
    content: [{ type: 'text', text: texts.join('') }],
    stop_reason: 'end_turn',
    usage: { input_tokens: 5, cache_creation_input_tokens: 3, cache_read_input_tokens: 4, output_tokens: 9 },
  };
  const facts = anthropicMessages.readAnswer(Buffer.from(JSON.stringify(whole)), 'application/json');
  const streamed = read(messageStream(texts)).facts;
  t.strictSame({ ...facts, outputBoundTokens: 0 }, { ...streamed, outputBoundTokens: 0 });
  t.ok(facts.outputBoundTokens <= streamed.outputBoundTokens, 'only its events are missing');
});

t.test('the facts of a request are read', async (t) => {
  const facts = request({
    model: 'c',
    max_tokens: 64,
    stream: true,
    system: [{ type: 'text', text: 's' }],
    messages: [{ role: 'user', content: 'x' }],
    tools: [
      { name: 'a', input_schema: {} },
      { type: 'custom', name: 'b' },
    ],
    metadata: { user_id: 'u1' },
  });
  t.match(facts, {
    model: 'c',
    streamed: true,
    maxOutputTokens: 64,
    messageCount: 1,
    tools: ['a', 'b'],
    bodyActor: 'u1',
  });
  t.match(facts, { unbounded: null, choices: 1, usageNotAsked: false });
});

t.test('offered tools widen the bound by the prompt that the vendor writes for them', async (t) => {
  const body = { model: 'c', messages: [], tools: [{ name: 'a' }] };
  t.ok(request(body).inputBoundTokens >= JSON.stringify(body).length + 804);
});

t.test('what the body does not bound is named', async (t) => {
  const block = (content: object) => request({ messages: [{ role: 'user', content: [content] }] }).unbounded;
  t.equal(block({ type: 'image', source: { type: 'url', url: 'https://a.example/x.png' } }), 'remote_media');
  t.equal(block({ type: 'document', source: { type: 'file', file_id: 'f' } }), 'stored_content');
  const nested = { type: 'image', source: { type: 'url', url: 'https://a.example/x.png' } };
  t.equal(block({ type: 'tool_result', content: [nested] }), 'remote_media');
  t.equal(block({ type: 'text', text: 'https://a.example' }), null);
  t.equal(request({ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }).unbounded, 'server_tool');
  t.equal(request({ tools: [{ type: 'bash_20250124', name: 'bash' }] }).unbounded, null);
  t.equal(request({ mcp_servers: [{ url: 'x' }] }).unbounded, 'server_tool');
  t.equal(request({ container: 'c' }).unbounded, 'stored_content');
});

t.test('base64 images are outside the bound, PDF and text are inside', async (t) => {
  const data = 'A'.repeat(60_000);
  const bound = (media_type: string) =>
    request({
      messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'base64', media_type, data } }] }],
    });
  t.ok(bound('image/png').inputBoundTokens < 4000);
  t.ok(bound('application/pdf').inputBoundTokens > 60_000);
  t.ok(bound('text/plain').inputBoundTokens > 60_000);
});

t.test('anything that is no messages request gives nulls and never an error', async (t) => {
  for (const body of [
    undefined,
    null,
    1,
    [],
    {},
    { messages: [null, { content: [null, { source: 1 }] }], tools: [1] },
  ]) {
    t.equal(request(body).model, null);
  }
});

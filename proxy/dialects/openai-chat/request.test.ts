import t from 'tap';
import type { RequestFacts } from '../dialect.ts';
import { readChatRequest } from './request.ts';

function read(body: unknown, path = '/v1/chat/completions'): RequestFacts {
  return readChatRequest({ route: { method: 'POST', path }, body, bytes: Buffer.from(JSON.stringify(body) ?? '') });
}

t.test('the facts of a plain request are read', async (t) => {
  const body = { model: 'm', messages: [{ role: 'user', content: 'héllo' }], max_tokens: 5, user: 'u1' };
  const bytes = Buffer.byteLength(JSON.stringify(body));
  t.strictSame(read(body), {
    model: 'm',
    streamed: false,
    maxOutputTokens: 5,
    choices: 1,
    messageCount: 1,
    tools: [],
    inputBoundTokens: bytes,
    mediaParts: 0,
    inputMedia: false,
    longCache: false,
    estimatedInputTokens: Math.ceil(bytes / 4),
    hiddenOutput: false,
    unlistedRate: false,
    unbounded: null,
    bodyActor: 'u1',
    usageNotAsked: false,
  });
});

t.test('the output cap is the larger one times the answers asked for', async (t) => {
  const cap = (body: object) => read({ model: 'm', messages: [], ...body }).maxOutputTokens;
  t.equal(cap({ max_tokens: 10 }), 10);
  t.equal(cap({ max_completion_tokens: 20 }), 20);
  t.equal(cap({ max_tokens: 10, max_completion_tokens: 20 }), 20);
  t.equal(cap({ max_tokens: '99999', max_completion_tokens: 1 }), null, 'a lenient server may read the text');
  t.equal(cap({ max_tokens: -1, max_completion_tokens: 1 }), null);
  t.equal(cap({ max_tokens: null, max_completion_tokens: 1 }), 1);
  t.equal(cap({ max_tokens: 10, n: 3 }), 30);
  t.equal(cap({ n: 3 }), null);
  t.equal(read({ n: 3 }).choices, 3);
  t.equal(cap({ max_tokens: 0 }), null, 'a cap that some providers take for none');
  t.equal(cap({ max_tokens: -1 }), null);
  t.equal(cap({ max_tokens: 1.5 }), null);
  t.equal(cap({ max_tokens: '10' }), null);
  t.equal(cap({ max_tokens: 2 ** 52, n: 128 }), Number.MAX_SAFE_INTEGER, 'never beyond an exact integer');
  t.equal(read({ n: -2 }).choices, 1);
});

t.test('a stream that does not ask for usage is told', async (t) => {
  const notAsked = (body: object) => read({ model: 'm', messages: [], ...body }).usageNotAsked;
  t.equal(notAsked({ stream: true }), true);
  t.equal(notAsked({ stream: true, stream_options: { include_usage: false } }), true);
  t.equal(notAsked({ stream: true, stream_options: { include_usage: true } }), false);
  t.equal(notAsked({}), false);
});

t.test('a tier that price lists have no rate for is told', async (t) => {
  const unlisted = (body: object) => read({ model: 'm', messages: [], ...body }).unlistedRate;
  t.equal(unlisted({ service_tier: 'priority' }), true);
  t.equal(unlisted({ service_tier: 'a-new-one' }), true);
  t.equal(unlisted({ service_tier: 1 }), true);
  t.equal(unlisted({ service_tier: 'flex' }), false);
  t.equal(unlisted({ service_tier: 'auto' }), false);
  t.equal(unlisted({ service_tier: null }), false);
  t.equal(unlisted({}), false);
});

t.test('tools are named in order', async (t) => {
  const tools = [
    { type: 'function', function: { name: 'a' } },
    { type: 'custom', custom: { name: 'b' } },
    { type: 'function', name: 'c' },
  ];
  const facts = read({ tools, functions: [{ name: 'd' }] });
  t.strictSame(facts.tools, ['a', 'b', 'c', 'd']);
  t.equal(facts.unbounded, null);
});

t.test('what the body does not bound is named', async (t) => {
  const part = (content: object) => read({ messages: [{ role: 'user', content: [content] }] }).unbounded;
  t.equal(part({ type: 'image_url', image_url: { url: 'https://a.example/x.png' } }), 'remote_media');
  t.equal(part({ type: 'image_url', image_url: 'HTTP://a.example/x.png' }), 'remote_media');
  t.equal(part({ type: 'image_url', image_url: { url: 'gs://bucket/x' } }), 'remote_media');
  t.equal(part({ type: 'file', file: { file_id: 'file-1' } }), 'stored_content');
  t.equal(part({ type: 'input_audio', input_audio: { data: 'https://a.example/x.wav' } }), 'remote_media');
  t.equal(part({ type: 'text', text: 'https://a.example is a link' }), null);
  t.equal(read({ web_search_options: {} }).unbounded, 'server_tool');
  t.equal(read({ tools: [{ type: 'web_search' }] }).unbounded, 'server_tool');
  t.equal(read({ plugins: [{ id: 'web' }] }).unbounded, 'server_tool');
  t.equal(read({ previous_response_id: 'r' }).unbounded, 'stored_content');
  t.equal(read({ models: ['a', 'b'] }).unbounded, 'model_choice');
  t.equal(read({ messages: [{ role: 'assistant', audio: { id: 'a' } }] }).unbounded, 'stored_content');
});

t.test('base64 media is outside the bound, with an allowance; documents are inside', async (t) => {
  const data = 'A'.repeat(60_000);
  const bound = (url: string) =>
    read({ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] });
  const image = bound(`data:image/png;base64,${data}`);
  t.ok(image.inputBoundTokens < 4000);
  t.ok(image.inputBoundTokens > 2048);
  t.ok(image.estimatedInputTokens < 100);
  t.ok(bound(`data:text/plain;base64,${data}`).inputBoundTokens > 60_000, 'text in base64 is text');
  t.ok(bound(`data:image/svg+xml,${data}`).inputBoundTokens > 60_000, 'no base64, no media');
  const audio = { type: 'input_audio', input_audio: { format: 'wav', data } };
  t.ok(read({ messages: [{ role: 'user', content: [audio] }] }).inputBoundTokens < 4000);
});

t.test('a deployment in the path is the model, as the provider routes by it', async (t) => {
  const path = '/openai/deployments/gpt%2D4o/chat/completions';
  t.equal(read({ model: 'cheap', messages: [] }, path).model, 'gpt-4o');
  t.equal(read({ messages: [] }, '/openai/deployments/%zz/chat/completions').model, '%zz');
});

t.test('anything that is no chat request gives nulls and never an error', async (t) => {
  for (const body of [
    undefined,
    null,
    1,
    'x',
    [],
    {},
    { messages: 3, tools: 'x', n: {} },
    { messages: [null, 1, {}] },
  ]) {
    t.equal(read(body).model, null);
  }
});

t.test('asking for reasoning, a prediction, speech or images is asking for hidden output', async (t) => {
  const hidden = (body: object) => read({ model: 'm', messages: [], ...body }).hiddenOutput;
  const asking: readonly object[] = [
    { reasoning_effort: 'low' },
    { reasoning: { effort: 'high' } },
    { reasoning: { max_tokens: 2000, exclude: true } },
    { include_reasoning: true },
    { enable_thinking: true },
    { thinking: { type: 'enabled' } },
    { chat_template_kwargs: { enable_thinking: true } },
    { extra_body: { google: { thinking_config: { thinking_budget: 800 } } } },
    { prediction: { type: 'content', content: 'x' } },
    { modalities: ['text', 'audio'], audio: { voice: 'alloy', format: 'wav' } },
    { modalities: ['image', 'text'] },
  ];
  for (const body of asking) t.equal(hidden(body), true, JSON.stringify(body));
  const plain: readonly object[] = [
    {},
    { reasoning_effort: 'none' },
    { reasoning_effort: null },
    { reasoning: { enabled: false } },
    { reasoning: { effort: 'none' } },
    { thinking: { type: 'disabled' } },
    { enable_thinking: false },
    { modalities: ['text'] },
  ];
  for (const body of plain) t.equal(hidden(body), false, JSON.stringify(body));
});

t.test('media are counted, wherever they come from', async (t) => {
  const urls = ['data:image/png;base64,AAAA', 'https://a.example/x.png', 'data:text/plain,hello'];
  const content = [...urls.map((url) => ({ type: 'image_url', image_url: { url } })), { type: 'text', text: 'x' }];
  t.equal(read({ messages: [{ role: 'user', content }] }).mediaParts, 2);
});

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import t from 'tap';
import { type RefusalCode, refusalCatalogue } from '../../storage/schema/errors.ts';
import { dialects, recognizeDialect } from './index.ts';

const chat = { model: 'm', messages: [] };

t.test('a request is recognised by method and path, then by its body', async (t) => {
  const table: readonly [string, string, unknown, string][] = [
    ['POST', '/v1/chat/completions', chat, 'openai-chat'],
    ['POST', '/openai/v1/chat/completions', chat, 'openai-chat'],
    ['POST', '/api/v1/chat/completions', chat, 'openai-chat'],
    ['POST', '//openai/deployments/gpt-4o/chat/completions', chat, 'openai-chat'],
    ['POST', '/chat/completions', undefined, 'openai-chat'],
    ['POST', '/v1/chat/completions/', chat, 'openai-chat'],
    ['GET', '/v1/chat/completions', undefined, 'opaque'],
    ['POST', '/v1/chat/completions/chatcmpl-1', chat, 'opaque'],
    ['POST', '/v1/chat/completions', [1], 'opaque'],
    ['POST', '/v1/chat/completions', 'text', 'opaque'],
    ['POST', '/v1/mychat/completions', chat, 'opaque'],
    ['POST', '/v1/messages', chat, 'anthropic-messages'],
    ['POST', '/anthropic/v1/messages', chat, 'anthropic-messages'],
    ['POST', '/v1/messages', undefined, 'anthropic-messages'],
    ['POST', '/messages', chat, 'anthropic-messages'],
    ['POST', '/v1/threads/thread_1/messages', { role: 'user', content: 'x' }, 'opaque'],
    ['POST', '/v1/messages/count_tokens', chat, 'opaque'],
    ['POST', '/v1/messages/batches', chat, 'opaque'],
    ['POST', '/v1/embeddings', { model: 'm', input: 'x' }, 'opaque'],
    ['GET', '/', undefined, 'opaque'],
  ];
  for (const [method, path, body, expected] of table) {
    t.equal(recognizeDialect({ route: { method, path }, body, allowed: 'auto' }).id, expected, `${method} ${path}`);
  }
});

t.test('a dialect that the provider does not allow is not recognised', async (t) => {
  const route = { method: 'POST', path: '/v1/chat/completions' };
  t.equal(recognizeDialect({ route, body: chat, allowed: ['anthropic-messages'] }).id, 'opaque');
  t.equal(recognizeDialect({ route, body: chat, allowed: ['openai-chat'] }).id, 'openai-chat');
  t.equal(recognizeDialect({ route, body: chat, allowed: [] }).id, 'opaque');
});

t.test('an opaque run has a model where its JSON body names one, and no usage', async (t) => {
  const opaque = recognizeDialect({ route: { method: 'POST', path: '/x' }, body: null, allowed: 'auto' });
  const read = (body: unknown) =>
    opaque.readRequest({ route: { method: 'POST', path: '/x' }, body, bytes: Buffer.from('12345') });
  t.equal(read({ model: 'm' }).model, 'm');
  t.equal(read({ model: 7 }).model, null);
  t.equal(read(undefined).model, null);
  t.equal(read({ model: 'm' }).inputBoundTokens, 5);
  const reader = opaque.openStream('text/event-stream');
  t.equal(reader.push(Buffer.from('data: [DONE]\n\n')), -1);
  t.strictSame(reader.end().usage.input_tokens, null);
  t.equal(reader.end().failed, false);
});

t.test(
  'what an opaque body brings in from elsewhere, or asks for many times, is not bounded by its bytes',
  async (t) => {
    const opaque = recognizeDialect({ route: { method: 'POST', path: '/x' }, body: null, allowed: 'auto' });
    const read = (body: unknown, path = '/v1/embeddings') =>
      opaque.readRequest({ route: { method: 'POST', path }, body, bytes: Buffer.from(JSON.stringify(body)) });
    const image = { type: 'input_image', image_url: 'https://example.com/large.png' };
    const cases: [unknown, string | null][] = [
      [{ model: 'm', input: 'see https://example.com' }, null],
      [{ model: 'm', input: ['a', 'b', 'c'], encoding_format: 'float' }, null],
      [{ model: 'm', prompt: 'once', n: 1, tools: [{ type: 'function', name: 'f' }] }, null],
      [{ contents: [{ parts: [{ text: 'x' }] }], tools: [{ functionDeclarations: [] }] }, null],
      [{ model: 'm', input: [{ role: 'user', content: [image] }] }, 'remote_media'],
      [{ model: 'm', input: [{ type: 'input_image', image_url: 'data:image/png;base64,AA' }] }, null],
      [{ contents: [{ parts: [{ fileData: { fileUri: 'gs://bucket/film.mp4' } }] }] }, 'stored_content'],
      [{ model: 'm', previous_response_id: 'resp_1', input: 'x' }, 'stored_content'],
      [{ model: 'm', previous_response_id: null, input: 'x' }, null],
      [{ model: 'm', prompt: { id: 'pmpt_1' } }, 'stored_content'],
      [{ model: 'm', input: 'x', tools: [{ type: 'web_search' }] }, 'server_tool'],
      [{ contents: [], tools: [{ googleSearch: {} }] }, 'server_tool'],
      [{ model: 'm', prompt: 'x', n: 128 }, 'model_choice'],
      [{ model: 'm', prompt: 'x', best_of: '20' }, 'model_choice'],
      [{ model: 'm', prompt: ['x', 'y'] }, 'model_choice'],
      [{ contents: [], generationConfig: { candidateCount: 8 } }, 'model_choice'],
      [{ input_file_id: 'file-1', endpoint: '/v1/chat/completions' }, 'stored_content'],
    ];
    for (const [body, reason] of cases) t.equal(read(body).unbounded, reason, JSON.stringify(body));
    t.equal(read({ model: 'm', input: 'x' }, '/v1/responses').unbounded, 'unread_format', 'it can ask for anything');
    t.equal(read({ model: 'm', previous_response_id: 'r' }, '/v1/responses').unbounded, 'stored_content');
    const bare = { route: { method: 'GET', path: '/v1/models' }, body: undefined, bytes: Buffer.alloc(0) };
    t.equal(opaque.readRequest(bare).unbounded, null);
    t.equal(read({ model: 'm', input: 'x', reasoning: { effort: 'high' } }).hiddenOutput, true);
    t.equal(read({ model: 'm', input: 'x', reasoning: { effort: 'none' } }).hiddenOutput, false);
  },
);

const sentence = 'Policy no-big-models: Use a small model';

t.test('the official SDKs raise their own error class for every refusal', async (t) => {
  const classes: Readonly<Record<number, string>> = {
    400: 'BadRequestError',
    401: 'AuthenticationError',
    403: 'PermissionDeniedError',
    404: 'NotFoundError',
    429: 'RateLimitError',
    503: 'InternalServerError',
  };
  const server = createServer((request, response) => {
    const [, id, code] = (request.url ?? '').split('/');
    const dialect = dialects.find((one) => one.id === id);
    const { status } = refusalCatalogue[code as RefusalCode];
    const notice = { code: code as RefusalCode, status, message: sentence, runId: 'run-1' };
    const refusal = dialect?.renderRefusal(notice) ?? { contentType: 'text/plain', body: '' };
    response.writeHead(status, { 'content-type': refusal.contentType }).end(refusal.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const [code, { status }] of Object.entries(refusalCatalogue)) {
    const name = classes[status] ?? '';
    const openai = new OpenAI({ apiKey: 'k', baseURL: `${base}/openai-chat/${code}`, maxRetries: 0 });
    const asked = openai.chat.completions.create({ model: 'm', messages: [] });
    const error = await asked.then(
      () => null,
      (reason: unknown) => reason,
    );
    t.ok(error instanceof (Reflect.get(OpenAI, name) as typeof OpenAI.APIError), `openai ${code} is ${name}`);
    t.equal(Reflect.get(Object(error), 'code'), code);
    t.match(String(error), sentence);
    const anthropic = new Anthropic({ apiKey: 'k', baseURL: `${base}/anthropic-messages/${code}`, maxRetries: 0 });
    const told = anthropic.messages.create({ model: 'm', max_tokens: 1, messages: [] });
    const failure = await told.then(
      () => null,
      (reason: unknown) => reason,
    );
    t.ok(
      failure instanceof (Reflect.get(Anthropic, name) as typeof Anthropic.APIError),
      `anthropic ${code} is ${name}`,
    );
    t.match(String(failure), sentence);
  }
});

t.test('an opaque refusal is a problem document with code and run', async (t) => {
  const opaque = dialects.at(-1);
  const refusal = opaque?.renderRefusal({ code: 'limit_exceeded', status: 429, message: 'No more', runId: 'run-1' });
  t.equal(refusal?.contentType, 'application/problem+json');
  t.match(JSON.parse(refusal?.body ?? ''), { status: 429, code: 'limit_exceeded', detail: 'No more', run_id: 'run-1' });
  t.match(JSON.parse(refusal?.body ?? ''), { error: { message: 'No more', code: 'limit_exceeded' } });
});

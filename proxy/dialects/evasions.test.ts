import t from 'tap';
import { anthropicMessages } from './anthropic-messages/index.ts';
import type { Dialect, TextExtra, TextSpot } from './dialect.ts';
import { opaque } from './opaque/index.ts';
import { openaiChat } from './openai-chat/index.ts';
import { readUnknownTexts } from './unknown-texts.ts';

const secret = 'project-x';
const bytesOf = (body: unknown) =>
  Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
const parse = (bytes: Buffer): unknown => {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined; // What is no JSON has no parsed form.
  }
};

/** All that is told of the texts of a body, its extras too. */
function tell(
  texts: { spots: readonly TextSpot[]; extras: readonly TextExtra[] } | null | undefined,
  bytes: Buffer,
): string {
  if (texts === null || texts === undefined) return readUnknownTexts(bytes) ?? '';
  return [...texts.spots, ...texts.extras].map(({ text }) => text).join('\n');
}

const hi = [{ role: 'user', content: 'hi' }];
const chat = (own: object) => ({ model: 'm', messages: hi, ...own });
const said = (...messages: unknown[]) => chat({ messages });
const tool = (own: object) => chat({ tools: [{ type: 'function', function: { name: 't', parameters: {}, ...own } }] });
const schema = (own: object) => tool({ parameters: { type: 'object', properties: { q: own } } });
const part = (...content: unknown[]) => said({ role: 'user', content });
const escaped = '{"model":"m","messages":[{"role":"user","content":"\\u0070roject-x"}]}';
const base64 = Buffer.from(secret).toString('base64');
const text = (value: string) => ({ type: 'text', text: value });

const chatRequests: Record<string, unknown> = {
  plain: said({ role: 'user', content: secret }),
  escape: escaped,
  'tool name': tool({ name: secret }),
  'tool description': tool({ description: secret }),
  'schema enum': schema({ enum: [secret] }),
  'schema const': schema({ const: secret }),
  'schema default': schema({ default: { a: [secret] } }),
  'schema examples': schema({ examples: [secret] }),
  'schema pattern': schema({ pattern: secret }),
  'schema property name': schema({ properties: { [secret]: {} } }),
  'schema type': schema({ type: secret }),
  'grammar of a tool': chat({
    tools: [{ type: 'custom', custom: { name: 't', format: { grammar: { definition: secret } } } }],
  }),
  response_format: chat({
    response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { enum: [secret] } } },
  }),
  chat_template: chat({ chat_template: secret }),
  chat_template_kwargs: chat({ chat_template_kwargs: { x: secret } }),
  'name of a template argument': chat({ chat_template_kwargs: { [secret]: 1 } }),
  guided_choice: chat({ guided_choice: [secret] }),
  data_sources: chat({ data_sources: [{ parameters: { role_information: secret } }] }),
  plugins: chat({ plugins: [{ id: 'web', search_prompt: secret }] }),
  stop: chat({ stop: [secret] }),
  user: chat({ user: secret }),
  metadata: chat({ metadata: { who: secret } }),
  'name of metadata': chat({ metadata: { [secret]: '' } }),
  'name of a message': said({ role: 'user', name: secret, content: 'hi' }),
  'role of a message': said({ role: secret, content: 'hi' }),
  'type of a part': part({ type: secret }),
  'id of a call': said({ role: 'tool', tool_call_id: secret, content: 'x' }),
  'member in other case': chat({ Messages: [{ role: 'user', content: secret }] }),
  'two parts': part(text('proj'), text('ect-x')),
  'arguments with escapes': said({ tool_calls: [{ function: { name: 'f', arguments: '{"q":"\\u0070roject-x"}' } }] }),
  'arguments in arguments': said({
    tool_calls: [{ function: { name: 'f', arguments: JSON.stringify({ a: '{"q":"\\u0070roject-x"}' }) } }],
  }),
  'names in arguments': said({ tool_calls: [{ function: { name: 'f', arguments: '{"\\u0070roject-x":1}' } }] }),
  'broken arguments': said({
    tool_calls: [{ function: { name: 'f', arguments: '{"q":"\\u0070roject-x' + '","\\x":"' } }],
  }),
  'JSON in a content': said({ role: 'tool', content: ' [{"q":"\\u0070roject-x"}]' }),
  'file in base64': part({ type: 'file', file: { file_data: `data:text/plain;base64,${base64}` } }),
  'file called an image': part({ type: 'image_url', image_url: { url: `data:image/png;base64,${base64}` } }),
  'file as it is': part({ type: 'file', file: { filename: 'a', file_data: secret } }),
  'name of a file': part({ type: 'file', file: { filename: secret, file_data: 'data:application/pdf;base64,AAAA' } }),
  'data URL of text': part({ type: 'image_url', image_url: { url: `data:text/plain,${secret}` } }),
  'data URL with percents': part({ type: 'image_url', image_url: { url: 'data:text/plain,%70roject-x' } }),
  'data URL in UTF-16': part({
    type: 'file',
    file: { file_data: `data:text/plain;base64,${Buffer.from(`\ufeff${secret}`, 'utf16le').toString('base64')}` },
  }),
  'audio that is text': part({
    type: 'input_audio',
    input_audio: { format: 'wav', data: Buffer.from(`${secret} `.repeat(500)).toString('base64') },
  }),
  'messages as an object': { model: 'm', messages: { 0: { role: 'user', content: secret } } },
  'messages as a text': { model: 'm', messages: secret },
  'a model below the top': chat({ metadata: { model: secret } }),
  'a model in a list': chat({ metadata: [{ model: secret }] }),
  'model as a list': { model: [secret], messages: hi },
  'letters in a content that look like base64': said({
    role: 'user',
    content: `${'a'.repeat(2000)}project/x`.replace('project/x', `${secret}`),
  }),
};
const message = (own: object) => ({ model: 'm', max_tokens: 5, messages: hi, ...own });
const blocks = (...content: unknown[]) => message({ messages: [{ role: 'user', content }] });
const messageRequests: Record<string, unknown> = {
  system: message({ system: secret }),
  'system in parts': message({ system: [text('proj'), text('ect-x')] }),
  'schema enum': message({ tools: [{ name: 't', input_schema: { properties: { a: { enum: [secret] } } } }] }),
  input_examples: message({ tools: [{ name: 't', input_schema: {}, input_examples: [{ q: secret }] }] }),
  'name in an input': blocks({ type: 'tool_use', id: 'x', name: 't', input: { [secret]: 1 } }),
  'escapes in an input': blocks({ type: 'tool_use', id: 'x', name: 't', input: { a: '{"q":"\\u0070roject-x"}' } }),
  'type in an input': blocks({ type: 'tool_use', id: 'x', name: 't', input: { type: secret } }),
  'name of a tool': blocks({ type: 'tool_use', id: 'x', name: secret, input: {} }),
  'address of a result': blocks({ type: 'web_search_result', url: `https://e/${secret}`, title: 't' }),
  'name of a server': message({ mcp_servers: [{ type: 'url', url: 'https://x', name: secret }] }),
  'instructions of an edit': message({ context_management: { edits: [{ type: 'compact', instructions: secret }] } }),
  'document in base64': blocks({
    type: 'document',
    source: { type: 'base64', media_type: 'text/plain', data: base64 },
  }),
  'document called a PDF': blocks({
    type: 'document',
    source: { type: 'base64', media_type: 'application/pdf', data: base64 },
  }),
  'text as a signature': blocks({ type: 'thinking', thinking: '', signature: secret }),
  'text as sealed data': blocks({ type: 'redacted_thinking', data: secret }),
};
const opaqueBodies: Record<string, unknown> = {
  plain: { input: secret },
  escape: '{"input":"\\u0070roject-x"}',
  'name of a member': '{"\\u0070roject-x":1}',
  'arguments in it': { a: '{"b":"\\u0070roject-x"}' },
  'byte order mark': `\ufeff${escaped}`,
  'UTF-16': Buffer.from(escaped, 'utf16le'),
  'UTF-16, marked': Buffer.from(`\ufeff${escaped}`, 'utf16le'),
  'UTF-16, big end first': Buffer.from(escaped, 'utf16le').swap16(),
  NaN: escaped.replace('{', '{"temperature":NaN,'),
  'comma at the end': escaped.replace(/\}$/, ',}'),
  comment: `/**/${escaped}`,
  'something behind': `${escaped} x`,
  'two bodies': `{"a":1}\n${escaped}`,
  'no JSON': `a=${secret}`,
  'a part of a form': `--x\r\ncontent-type: application/json\r\n\r\n${escaped}\r\n--x--`,
  'a stream': ['proj', 'ect-x']
    .map((content) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`)
    .join(''),
};
const choice = (own: object) => ({ id: 'c', model: 'm', choices: [{ index: 0, finish_reason: 'stop', ...own }] });
const answered = (own: object) => choice({ message: { role: 'assistant', content: 'ok', ...own } });
const chatAnswers: Record<string, unknown> = {
  plain: answered({ content: secret }),
  escape: JSON.stringify(answered({ content: 'Q' })).replace('"Q"', '"\\u0070roject-x"'),
  error: { error: { message: secret } },
  'text of a choice': choice({ text: secret }),
  'delta of a choice': choice({ delta: { content: secret } }),
  'reason of an end': choice({ finish_reason: secret, message: {} }),
  citations: { ...answered({}), citations: [secret], search_results: [{ title: secret }] },
  'name of a tool': answered({ tool_calls: [{ id: 'x', function: { name: secret, arguments: '{}' } }] }),
  'image that is a text': answered({ images: [{ image_url: { url: `data:text/plain,${secret}` } }] }),
  'address of a note': answered({
    annotations: [{ type: 'url_citation', url_citation: { url: `http://e/${secret}` } }],
  }),
  'arguments with escapes': answered({
    tool_calls: [{ function: { name: 'f', arguments: '{"q":"\\u0070roject-x"}' } }],
  }),
  'a message twice': JSON.stringify(answered({})).replace('"message":', `"message":{"content":"${secret}"},"message":`),
  'a content twice': JSON.stringify(answered({})).replace('"content":', `"content":"${secret}","content":`),
  'an id twice': JSON.stringify(answered({})).replace('"id":"c"', `"id":{"x":"${secret}"},"id":"c"`),
  'two parts': answered({ content: [text('proj'), text('ect-x')] }),
  logprobs: choice({ logprobs: secret, message: {} }),
};
const messageAnswers: Record<string, unknown> = {
  plain: { content: [text(secret)] },
  error: { type: 'error', error: { type: 'x', message: secret } },
  'name in an input': { content: [{ type: 'tool_use', id: 'a', name: 'f', input: { [secret]: 1 } }] },
  'output of a program': { content: [{ type: 'bash_code_execution_tool_result', content: { stdout: secret } }] },
  'two blocks': { content: [text('proj'), text('ect-x')] },
  'reason of an end': { content: [], stop_reason: secret },
};

t.test('no member of a request hides a text', (t) => {
  const tables: [Dialect, Record<string, unknown>][] = [
    [openaiChat, chatRequests],
    [anthropicMessages, messageRequests],
    [opaque, opaqueBodies],
  ];
  for (const [dialect, table] of tables) {
    for (const [name, body] of Object.entries(table)) {
      const bytes = bytesOf(body);
      t.match(tell(dialect.readRequestTexts?.(bytes, parse(bytes)), bytes), secret, `${dialect.id}: ${name}`);
    }
  }
  t.end();
});

t.test('no member of a whole answer hides a text', (t) => {
  const tables: [Dialect, Record<string, unknown>][] = [
    [openaiChat, { ...chatAnswers, ...opaqueBodies }],
    [anthropicMessages, { ...messageAnswers, ...opaqueBodies }],
  ];
  for (const [dialect, table] of tables) {
    for (const [name, body] of Object.entries(table)) {
      const bytes = bytesOf(body);
      t.match(tell(dialect.readAnswerTexts?.(bytes, parse(bytes)), bytes), secret, `${dialect.id}: ${name}`);
    }
  }
  t.end();
});

t.test('what is known to be no text is none, and media that say no text give none', (t) => {
  const bytes = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3, 0xff, 0xfe]);
  const [image, long] = [bytes.toString('base64'), Buffer.concat(Array(100).fill(bytes)).toString('base64')];
  const known: [Dialect, unknown][] = [
    [openaiChat, { model: 'm', service_tier: 'auto', messages: [{ role: 'user', content: [] }] }],
    [openaiChat, part({ type: 'image_url', image_url: { url: `data:image/png;base64,${image}` } })],
    [openaiChat, part({ type: 'image', images: [long], image: { data: long } })],
    [
      openaiChat,
      chat({ messages: [], response_format: { type: 'json_schema', json_schema: { schema: { type: 'object' } } } }),
    ],
    [anthropicMessages, blocks({ type: 'image', source: { type: 'base64', data: image } })],
    [anthropicMessages, blocks({ type: 'redacted_thinking', data: image }, { type: 'thinking', signature: image })],
  ];
  for (const [dialect, body] of known)
    t.strictSame(dialect.readRequestTexts?.(bytesOf(body), body), { spots: [], extras: [], tools: [] });
  t.end();
});

t.test('an extra names the spots that say the same, so that nothing is found twice', (t) => {
  const body = said(
    { role: 'user', content: [text('a@example.com'), text('b')] },
    { role: 'assistant', tool_calls: [{ function: { arguments: '{"q":"c\\u0040example.com"}' } }] },
  );
  const bytes = bytesOf(body);
  const { spots = [], extras = [] } = openaiChat.readRequestTexts?.(bytes, body) ?? {};
  t.strictSame(
    extras.map(({ text: own, of }) => [own, of.map((index) => spots[index]?.text)]),
    [
      ['q\nc@example.com', ['{"q":"c\\u0040example.com"}']],
      ['a@example.comb', ['a@example.com', 'b']],
    ],
  );
  t.end();
});

t.test('what looks like messages or choices below the top has no role', (t) => {
  const messages = [
    { role: 'system', content: 'a' },
    { role: 'user', content: 'b' },
  ];
  for (const dialect of [openaiChat, anthropicMessages]) {
    const bytes = bytesOf({ x: { messages, system: 'c', choices: [{ logprobs: {} }] }, messages: [] });
    const spots = dialect.readRequestTexts?.(bytes, parse(bytes))?.spots ?? [];
    t.strictSame(
      spots.map(({ role, message: at, text: own }) => [role, at, own]),
      ['a', 'b', 'c'].map((own) => ['other', null, own]),
    );
  }
  t.end();
});

t.test('texts of an unknown body are null where they cannot be told: other bytes, or too many', (t) => {
  t.equal(readUnknownTexts(Buffer.from([0x89, 0x50, 0xff, 0xfe, 0])), null);
  t.equal(readUnknownTexts(Buffer.from(`[${'"a",'.repeat(20_001)}1]`)), null);
  t.equal(readUnknownTexts(Buffer.from(`[${'1,'.repeat(200_001)}1]`)), null);
  t.equal(readUnknownTexts(Buffer.from('')), '');
  t.equal(readUnknownTexts(Buffer.from('{"a":{"b":["c",1]}}')), 'a\nb\nc');
  t.equal(readUnknownTexts(Buffer.from('a "b" c')), 'a "b" c');
  t.end();
});

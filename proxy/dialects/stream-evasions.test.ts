import fc from 'fast-check';
import t from 'tap';
import { anthropicMessages } from './anthropic-messages/index.ts';
import type { Dialect } from './dialect.ts';
import { cuts, splitAt } from './fixtures/streams.ts';
import { openaiChat } from './openai-chat/index.ts';
import { maxEventBytes } from './sse.ts';

const secret = 'secret-42';

interface Told {
  text: string;
  incomplete: boolean;
  ended: boolean;
  /** The whole of what is told, to be compared. */
  all: string;
}

function tell(dialect: Dialect, pieces: readonly Uint8Array[]): Told {
  const reader = dialect.openStream('text/event-stream', { keepText: true });
  const entries = pieces.flatMap((piece) => {
    reader.push(piece);
    return [...reader.takeText()];
  });
  const facts = reader.end();
  entries.push(...reader.takeText());
  const text = entries.map((entry) => entry.text).join('');
  const incomplete = reader.textIncomplete();
  const all = JSON.stringify([entries, facts, incomplete, reader.toolsCalled(), reader.ended()]);
  return { text, incomplete, ended: reader.ended(), all };
}

const data = (event: unknown) => `data: ${JSON.stringify(event)}\n\n`;
const chunk = (choice: object) => data({ id: 'c', model: 'm', choices: [{ index: 0, ...choice }] });
const delta = (own: object) => chunk({ delta: own });
const done = `${chunk({ delta: {}, finish_reason: 'stop' })}data: [DONE]\n\n`;
const words = delta({ content: 'some words ' }).repeat(3);
const call = (own: object) => delta({ tool_calls: [{ index: 0, ...own }] });

const named = (type: string, own: object, name = type) => `event: ${name}\n${data({ type, ...own })}`;
const start = (content: unknown[] = []) =>
  named('message_start', { message: { id: 'm', model: 'm', content, usage: { input_tokens: 5 } } });
const block = (own: object = { type: 'text', text: '' }, index = 0) =>
  named('content_block_start', { index, content_block: own });
const text = (own: string, index = 0, name?: string) =>
  named('content_block_delta', { index, delta: { type: 'text_delta', text: own } }, name);
const stop =
  named('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 3 } }) +
  named('message_stop', {});
const open = start() + block();

/** The secret is told as a text. */
const told: [string, Dialect, string][] = [
  ['content', openaiChat, words + delta({ content: secret }) + done],
  ['an unknown member', openaiChat, words + delta({ thinking: secret }) + done],
  [
    'an unknown member in pieces',
    openaiChat,
    words + delta({ thinking: 'secr' }) + delta({ thinking: 'et-42' }) + done,
  ],
  ['a message', openaiChat, words + chunk({ message: { content: secret } }) + done],
  ['a text', openaiChat, words + chunk({ text: secret }) + done],
  ['a note', openaiChat, words + delta({ annotations: [{ url_citation: { title: secret } }] }) + done],
  ['an error', openaiChat, words + data({ error: { message: secret } }) + done],
  ['an error that is a text', openaiChat, words + data({ error: secret }) + done],
  ['data that is no JSON', openaiChat, `${words}data: ${secret}\n\n${done}`],
  ['data that is a text', openaiChat, `${words}data: "${secret}"\n\n${done}`],
  ['the name of an event', openaiChat, `${words}event: ${secret}\ndata: {}\n\n${done}`],
  ['the name of a tool', openaiChat, words + call({ id: 'a', function: { name: secret, arguments: '' } }) + done],
  [
    'the name of a tool in pieces',
    openaiChat,
    call({ id: 'a', function: { name: 'secr' } }) + call({ function: { name: 'et-42' } }) + done,
  ],
  ['the id of a call', openaiChat, words + call({ id: secret, function: { name: 'f', arguments: '' } }) + done],
  ['a role', openaiChat, delta({ role: secret }) + done],
  [
    'arguments with escapes',
    openaiChat,
    call({ function: { name: 'f', arguments: '{"q":"s\\u00' } }) +
      call({ function: { arguments: '65cret-42"}' } }) +
      done,
  ],
  [
    'an image that is a text',
    openaiChat,
    delta({ images: [{ image_url: { url: `data:image/png;base64,${Buffer.from(secret).toString('base64')}` } }] }) +
      done,
  ],
  ['a member twice', openaiChat, `data: {"choices":[{"delta":{"content":"${secret}","content":"x"}}]}\n\n${done}`],
  ['an event behind data of the end', openaiChat, `${words}data: [DONE]\ndata: ${secret}\n\n`],
  ['what begins a message', anthropicMessages, start([{ type: 'text', text: secret }]) + stop],
  ['another name of the event', anthropicMessages, open + text(secret, 0, 'ping') + stop],
  [
    'another type in the data',
    anthropicMessages,
    `${open + text('a')}event: content_block_delta\n${data({ type: 'ping', delta: { text: secret } })}${stop}`,
  ],
  [
    'a member behind the text',
    anthropicMessages,
    open + text('a') + text('b').replace('"b"', `"b","more":"${secret}"`) + stop,
  ],
  [
    'a citation',
    anthropicMessages,
    open +
      named('content_block_delta', { index: 0, delta: { type: 'citations_delta', citation: { cited_text: secret } } }) +
      stop,
  ],
  [
    'output of a program',
    anthropicMessages,
    open + block({ type: 'bash_code_execution_tool_result', content: { stdout: secret } }, 1) + stop,
  ],
  [
    'the name of a tool in a message',
    anthropicMessages,
    open + block({ type: 'tool_use', id: 'a', name: secret, input: {} }, 1) + stop,
  ],
  [
    'an input',
    anthropicMessages,
    open + block({ type: 'tool_use', id: 'a', name: 'f', input: { q: secret } }, 1) + stop,
  ],
  [
    'an input that is a text',
    anthropicMessages,
    open + block({ type: 'tool_use', id: 'a', name: 'f', input: secret }, 1) + stop,
  ],
  [
    'an input that is a list',
    anthropicMessages,
    open + block({ type: 'tool_use', id: 'a', name: 'f', input: [secret] }, 1) + stop,
  ],
  [
    'the name of an argument',
    anthropicMessages,
    open + block({ type: 'tool_use', id: 'a', name: 'f', input: { [secret]: 1 } }, 1) + stop,
  ],
  [
    'an input with escapes',
    anthropicMessages,
    open +
      named('content_block_delta', {
        index: 0,
        delta: { type: 'input_json_delta', partial_json: '{"q":"s\\u0065cret-42"}' },
      }) +
      stop,
  ],
  ['an error event', anthropicMessages, start() + named('error', { error: { type: 'x', message: secret } }) + stop],
  [
    'a signature',
    anthropicMessages,
    open + named('content_block_delta', { index: 0, delta: { type: 'signature_delta', signature: secret } }) + stop,
  ],
  [
    'the end',
    anthropicMessages,
    `${open}event: message_stop\n${data({ type: 'content_block_delta', delta: { text: secret } })}`,
  ],
];
const letters = [...secret];
/** It cannot be told, and that is told. */
const unclear: [string, Dialect, string][] = [
  [
    'turns with reasoning',
    openaiChat,
    letters.map((one) => delta({ content: one }) + delta({ reasoning_content: '.' })).join('') + done,
  ],
  [
    'turns with a tool',
    openaiChat,
    letters.map((one) => delta({ content: one }) + call({ function: { arguments: '.' } })).join('') + done,
  ],
  ['a line that is no field', openaiChat, `${words}${secret}\n\n${done}`],
  ['JSON without a field', openaiChat, `${JSON.stringify({ choices: [{ message: { content: secret } }] }, null, 1)}\n`],
  ['an event of 1.2 MB', openaiChat, words + delta({ content: secret.padStart(1_200_000, 'x') }) + done],
  [
    'turns of blocks',
    anthropicMessages,
    open + block(undefined, 1) + letters.map((one) => text(one, 0) + text('.', 1)).join('') + stop,
  ],
  ['another name of the event', anthropicMessages, open + text(secret, 0, 'content_block_start') + stop],
  [
    'an end that is none',
    anthropicMessages,
    `${open}event: message_stop\n${data({ type: 'content_block_delta', delta: { text: secret } })}`,
  ],
];

t.test('no member of a streamed answer hides a text', (t) => {
  for (const [name, dialect, stream] of told) t.match(tell(dialect, [Buffer.from(stream)]).text, secret, name);
  t.end();
});

t.test('what cannot be read for sure makes the text incomplete, and nothing else does', (t) => {
  for (const [name, dialect, stream] of unclear) t.equal(tell(dialect, [Buffer.from(stream)]).incomplete, true, name);
  const plain = words + delta({ content: 'end' }) + call({ id: 'a', function: { name: 'f', arguments: '{}' } }) + done;
  const repeating =
    words +
    ['{', '}'].map((own) => call({ id: 'a', type: 'function', function: { name: 'f', arguments: own } })).join('') +
    done;
  const thinking = delta({ reasoning_content: 'hm', role: 'assistant' }) + words + done;
  const sound = [0, 1].map((at) => delta({ audio: { id: 'a', data: '/wAB', transcript: `${at}` } })).join('') + done;
  for (const stream of [plain, repeating, thinking, sound])
    t.equal(tell(openaiChat, [Buffer.from(stream)]).incomplete, false);
  const cited = named('content_block_delta', {
    index: 0,
    delta: { type: 'citations_delta', citation: { type: 'char_location', cited_text: 'c', document_title: 't' } },
  });
  const message = open + cited + cited + text('a') + text('b') + block(undefined, 1) + text('c', 1) + stop;
  t.strictSame(
    [tell(anthropicMessages, [Buffer.from(message)])].map((one) => [one.incomplete, one.ended]),
    [[false, true]],
  );
  t.end();
});

t.test('every way to cut such a stream tells the same', (t) => {
  const short = [...told, ...unclear].filter(([, , stream]) => stream.length < 10_000);
  fc.assert(
    fc.property(
      fc.constantFrom(...short).chain((row) => fc.tuple(fc.constant(row), cuts(Buffer.byteLength(row[2])))),
      ([[name, dialect, stream], places]) => {
        const bytes = Buffer.from(stream);
        const pieces = splitAt(bytes, places);
        if (tell(dialect, pieces).all !== tell(dialect, [bytes]).all) t.fail(`${name}: ${places}`);
      },
    ),
    { numRuns: 400 },
  );
  t.pass('holds for every sample');
  t.end();
});

t.test('a torn line of the end waits and goes on, and the end counts once it is complete', (t) => {
  const rows: [Dialect, string, string, string][] = [
    [openaiChat, 'data: [DONE]', 'x\n\n', 'data: [DONE]\n'],
    [anthropicMessages, 'event: message_stop', 'per\ndata: {}\n\n', 'event: message_stop\r\n'],
    [anthropicMessages, 'data: {"type":"message_stop"', ',"type":"ping"}\n\n', 'data: {"type":"message_stop"}\n'],
  ];
  for (const [dialect, line, rest, end] of rows) {
    const reader = dialect.openStream('text/event-stream', { keepText: true });
    t.equal(reader.push(Buffer.from(`: hi\n${line}`)), 5, line);
    t.equal(reader.ended(), false);
    t.equal(reader.push(Buffer.from(rest)), -1);
    t.equal(reader.push(Buffer.from(`: hi\n\n${line.slice(0, 9)}`)), -1);
    t.equal(reader.push(Buffer.from(end.slice(9))), 0);
    t.equal(reader.ended(), false);
    t.equal(reader.push(Buffer.from('\n')), 0);
    t.equal(reader.ended(), true);
    t.equal(reader.push(Buffer.from(': bye\n\n')), 0);
    t.strictSame(
      [reader.isContinued(), reader.push(Buffer.from('data: {}\n')), reader.isContinued()],
      [false, 0, true],
    );
    const open = dialect.openStream('text/event-stream', { keepText: true });
    open.push(Buffer.from(end.trimEnd()));
    t.equal(open.ended(), false);
    open.end();
    t.equal(open.ended(), true, 'the end of the stream is one of the line');
  }
  t.end();
});

t.test('however many texts and names a stream has, what is kept of them is bounded', (t) => {
  const reader = openaiChat.openStream('text/event-stream', { keepText: true });
  const long = 'x'.repeat(30_000);
  const before = process.memoryUsage().heapUsed;
  for (let at = 0; at < 2000; at++) {
    reader.push(Buffer.from(delta({ [`a${at}`]: long + at, [long.slice(0, 1000) + at]: secret, role: long + at })));
    const read = reader.takeText().map((entry) => entry.text);
    if (!read.join('').includes(secret)) t.fail(`event ${at}`);
  }
  t.equal(reader.textIncomplete(), true);
  const grown = process.memoryUsage().heapUsed - before;
  t.ok(grown < 80 * 1024 * 1024, `${grown} bytes`);
  t.end();
});

t.test('an event that is too long is told to be so before it ends', (t) => {
  for (const dialect of [openaiChat, anthropicMessages]) {
    const reader = dialect.openStream('text/event-stream', { keepText: true });
    reader.push(Buffer.from('data: {"choices":[{"delta":{"content":"'));
    for (let sent = 0; sent < maxEventBytes - 65_536; sent += 65_536) {
      reader.push(Buffer.alloc(65_536, 0x78));
      t.equal(reader.textIncomplete(), false);
    }
    for (let sent = 0; sent < 3; sent++) reader.push(Buffer.alloc(65_536, 0x78));
    t.equal(reader.textIncomplete(), true);
  }
  t.end();
});

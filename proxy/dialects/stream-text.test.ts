import fc from 'fast-check';
import t from 'tap';
import { anthropicMessages } from './anthropic-messages/index.ts';
import type { Dialect, StreamText } from './dialect.ts';
import { chatStream, cuts, messageStream, splitAt } from './fixtures/streams.ts';
import { opaque } from './opaque/index.ts';
import { openaiChat } from './openai-chat/index.ts';
import { maxEventBytes } from './sse.ts';

interface Told {
  entries: StreamText[];
  tools: readonly string[];
  incomplete: boolean;
}

/** What a reader tells of a stream that comes in these pieces, taken after each of them. */
function tell(dialect: Dialect, pieces: readonly Uint8Array[], type = 'text/event-stream'): Told {
  const reader = dialect.openStream(type, { keepText: true });
  const entries = pieces.flatMap((piece) => {
    reader.push(piece);
    return [...reader.takeText()];
  });
  reader.end();
  entries.push(...reader.takeText());
  return { entries, tools: reader.toolsCalled(), incomplete: reader.textIncomplete() };
}

const textOf = ({ entries }: Told) => entries.map(({ text }) => text).join('');
const sse = (events: readonly unknown[], end = '\n') =>
  events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}${end}${end}`).join('');
const delta = (member: object, index = 0) => ({
  id: 'c',
  model: 'm',
  choices: [{ index, delta: member, finish_reason: null }],
});
const call = (index: number, own: object) => ({ tool_calls: [{ index, ...own }] });
const block = (index: number, own: object) => ({ type: 'content_block_start', index, content_block: own });
const blockDelta = (index: number, own: object) => ({ type: 'content_block_delta', index, delta: own });

const chatEvents = [
  delta({ role: 'assistant', content: '', refusal: null }),
  delta({ reasoning: 'Hm', reasoning_details: [{ type: 'reasoning.text', text: 'Hm' }] }),
  delta({ reasoning: 'm.', reasoning_details: [{ type: 'reasoning.text', text: 'm.' }] }),
  delta({ content: 'Hé' }),
  delta({ content: 'llo €😀' }),
  '{"choices":[{"index":0,"delta":{"content":"\\ud83d"},"finish_reason":null}]}',
  '{"choices":[{"index":0,"delta":{"content":"\\ude00\\u0021"},"finish_reason":null}]}',
  delta(call(0, { id: 'call_a', type: 'function', function: { name: 'read', arguments: '' } })),
  delta(call(0, { function: { arguments: '{"a":' } })),
  delta(call(0, { function: { arguments: '"ü"}' } })),
  delta(call(1, { id: 'call_b', type: 'function', function: { name: 'write', arguments: '{}' } })),
  { id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
  '[DONE]',
];
const chatText = 'Hmm.\nHéllo €😀😀!\ncall_a\nread\n{"a":"ü"}\ncall_b\nwrite\n{}';
const messageEvents = [
  { type: 'message_start', message: { model: 'm', content: [], usage: { input_tokens: 1 } } },
  block(0, { type: 'thinking', thinking: '' }),
  blockDelta(0, { type: 'thinking_delta', thinking: 'Hm' }),
  blockDelta(0, { type: 'thinking_delta', thinking: 'm.' }),
  blockDelta(0, { type: 'signature_delta', signature: 'AAAA' }),
  block(1, { type: 'text', text: '' }),
  blockDelta(1, { type: 'text_delta', text: 'Hé' }),
  blockDelta(1, { type: 'text_delta', text: 'llo €😀' }),
  '{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"\\ud83d"}}',
  '{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"\\ude00\\u0021"}}',
  blockDelta(1, { type: 'citations_delta', citation: { type: 'char_location', cited_text: 'cite' } }),
  block(2, { type: 'tool_use', id: 't', name: 'read', input: {} }),
  blockDelta(2, { type: 'input_json_delta', partial_json: '{"a":' }),
  blockDelta(2, { type: 'input_json_delta', partial_json: '"ü"}' }),
  block(3, { type: 'server_tool_use', id: 's', name: 'write', input: { q: 1 } }),
  { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 9 } },
  { type: 'message_stop' },
];
const messageText = 'Hmm.\nHéllo €😀😀!\ncite\nt\nread\n{"a":"ü"}\ns\nwrite\n{"q":1}';

t.test(
  'the text of a stream is all it shows, in order, with a line feed between what are different texts',
  async (t) => {
    const chat = tell(openaiChat, [Buffer.from(sse(chatEvents))]);
    t.equal(textOf(chat), chatText);
    t.strictSame([chat.tools, chat.incomplete], [['read', 'write'], false]);
    const message = tell(anthropicMessages, [Buffer.from(sse(messageEvents))]);
    t.equal(textOf(message), messageText);
    t.strictSame([message.tools, message.incomplete], [['read', 'write'], false]);
  },
);

t.test(
  'every split into two gives the same text at the same offsets, in each dialect and with all line ends',
  async (t) => {
    for (const [dialect, events, text] of [
      [openaiChat, chatEvents, chatText],
      [anthropicMessages, messageEvents, messageText],
    ] as const) {
      for (const end of ['\n', '\r\n', '\r']) {
        const stream = `\ufeff: hello${end}${sse(events, end).replace('data: {', `id: 1${end}data:{`)}`;
        const bytes = Buffer.from(stream);
        const whole = tell(dialect, [bytes]);
        t.equal(textOf(whole), text);
        const expected = JSON.stringify(whole);
        for (let at = 1; at < bytes.length; at++) {
          const split = JSON.stringify(tell(dialect, [bytes.subarray(0, at), bytes.subarray(at)]));
          if (split !== expected) t.equal(split, expected, `${dialect.id} at ${at}`);
        }
      }
    }
  },
);

t.test('every way to cut a stream gives the same text at the same offsets', async (t) => {
  const text = fc.string({ unit: 'binary', maxLength: 12 });
  for (const [dialect, render] of [
    [openaiChat, (texts: string[], end: string) => chatStream(texts, { lineEnd: end })],
    [anthropicMessages, messageStream],
  ] as const) {
    fc.assert(
      fc.property(
        fc.tuple(fc.array(text, { maxLength: 30 }), fc.constantFrom('\n', '\r\n', '\r')).chain(([texts, end]) => {
          const bytes = Buffer.from(render(texts, end));
          return fc.tuple(fc.constant(texts), fc.constant(bytes), cuts(bytes.length));
        }),
        ([texts, bytes, places]) => {
          const whole = tell(dialect, [bytes]);
          t.equal(textOf(whole), texts.join(''));
          t.strictSame(tell(dialect, splitAt(bytes, places)), whole);
          for (const { from } of whole.entries) {
            const before = bytes.subarray(0, from).toString();
            t.ok(from === 0 || /(\n\n|\r\r|\r\n\r\n)$/.test(before), 'an entry begins behind a complete event');
            t.match(bytes.subarray(from, from + 8).toString(), /^(data: \{|event: c)/);
          }
        },
      ),
      { numRuns: 60 },
    );
  }
});

t.test('a cut before the event that crossed a place leaves the text before that event, and no more', async (t) => {
  for (const [dialect, bytes] of [
    [openaiChat, Buffer.from(chatStream(['one ', 'two ', 'three ', 'four']))],
    [anthropicMessages, Buffer.from(messageStream(['one ', 'two ', 'three ', 'four'], '\r\n'))],
  ] as const) {
    const { entries } = tell(dialect, [bytes]);
    for (const [index, { from }] of entries.entries()) {
      const before = entries.slice(0, index).map((entry) => entry.text);
      t.equal(textOf(tell(dialect, [bytes.subarray(0, from)])), before.join(''));
    }
  }
});

t.test('data on several lines, without a space, between comments and other fields is read', async (t) => {
  const stream =
    ': hi\n\ndata:{"choices":[{"index":0,\ndata:"delta":{"content":"a"}}]}\n\n: ping\n\nid: 7\nretry: 5\ndata: {"choices":[{"delta" : {"content" : "b"}}]}\n\n';
  const { entries } = tell(openaiChat, [Buffer.from(stream)]);
  t.strictSame(entries, [
    { from: 6, text: 'a', tools: [], incomplete: false },
    { from: stream.indexOf('id: 7'), text: 'b', tools: [], incomplete: false },
  ]);
});

t.test('events without names, and with their type in any place, are read', async (t) => {
  const events = [
    { index: 0, type: 'content_block_delta', delta: { type: 'text_delta', text: 'a' } },
    blockDelta(0, { text: 'b' }),
  ];
  t.equal(textOf(tell(anthropicMessages, [Buffer.from(sse(events))])), 'ab');
});

t.test('names with escapes are read, in the frame of the last event and out of it', async (t) => {
  const events = ['x', 'y', 'z'].map((text) => `{"choices":[{"delta":{"cont\\u0065nt":"${text}"}}]}`);
  t.equal(
    textOf(tell(openaiChat, [Buffer.from(sse([...events, delta({ content: '1' }), delta({ content: '2' })]))])),
    'xyz12',
  );
});

t.test('the name of a tool that comes in pieces is told as far as it had come, in every chunking', async (t) => {
  const named = (name: string, text: string) => delta(call(0, { id: 'a', function: { name, arguments: text } }));
  const events = [named('sh', 'x'), named('ell', 'y'), delta(call(0, { function: { arguments: 'z' } }))];
  const bytes = Buffer.from(sse(events));
  const whole = tell(openaiChat, [bytes]);
  t.strictSame(
    whole.entries.map(({ tools }) => tools),
    [['sh'], ['shell'], ['shell']],
  );
  t.strictSame(tell(openaiChat, splitAt(bytes, [20, 90, 200, 330])), whole);
});

t.test('a text outside the answer is none, also where it alone varies', async (t) => {
  const events = ['p', 'q', 'r'].map((text) => `{"choices":[{"delta":{"cont\\u0065nt":"a"}}],"text":"${text}"}`);
  t.equal(textOf(tell(openaiChat, [Buffer.from(sse(events))])), 'aaa');
});

t.test('choices one after another are texts, choices that take turns are not complete', async (t) => {
  const inTurn = [
    delta({ content: 'a' }),
    delta({ content: 'b' }),
    delta({ content: 'c' }, 1),
    delta({ content: 'd' }, 1),
  ];
  const after = tell(openaiChat, [Buffer.from(sse(inTurn))]);
  t.strictSame([textOf(after), after.incomplete], ['ab\ncd', false]);
  const [a, b, c, d] = inTurn;
  const mixed = tell(openaiChat, [Buffer.from(sse([a, c, b, d]))]);
  t.strictSame([textOf(mixed), mixed.incomplete], ['a\nc\nb\nd', true]);
});

t.test('a call begins with another index or id; a name in pieces is one, and a name sent again too', async (t) => {
  const named = (index: number, name: string, id?: string) =>
    delta(call(index, { ...(id === undefined ? {} : { id }), function: { name, arguments: '' } }));
  const tools = (events: readonly unknown[]) => tell(openaiChat, [Buffer.from(sse(events))]).tools;
  t.strictSame(tools([named(0, 'f', 'a'), named(0, 'f'), named(0, 'f', 'a')]), ['f']);
  t.strictSame(tools([named(0, 'f', 'a'), named(0, 'f', 'b'), named(1, 'f', 'c')]), ['f', 'f', 'f']);
  t.strictSame(tools([named(0, 'get_', 'a'), named(0, 'time')]), ['get_time']);
  t.strictSame(tools([delta({ function_call: { name: 'old', arguments: '' } })]), ['old']);
  t.strictSame(tools([named(0, 'é', 'a')]), ['é']);
});

t.test('of an event longer than 1 MiB the first 64 Ki characters are kept, in every chunking', async (t) => {
  const long = 'é\\u00e9\\n'.repeat(400_000);
  const body = `data: {"choices":[{"index":0,"delta":{"content":"${long}"}}]}\n\n`;
  const bytes = Buffer.from(sse([delta({ content: 'a' })]) + body + sse([delta({ content: 'b' })]));
  const whole = tell(openaiChat, [bytes]);
  t.ok(whole.incomplete);
  t.equal(textOf(whole).length, 1 + 1 + 65_536 + 1 + 1);
  t.equal(textOf(whole), `a\n${'éé\n'.repeat(30_000).slice(0, 65_536)}\nb`);
  for (const size of [65_536, 1_000_003, maxEventBytes]) {
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
      bytes.subarray(at * size, (at + 1) * size),
    );
    t.strictSame(tell(openaiChat, pieces), whole);
  }
});

t.test('an event of about 1 MiB is told the same however it is cut', async (t) => {
  const frame = '{"type":"content_block_delta","delta":{"text":""}}'.length;
  for (const spare of [-20, -1, 0, 1, 6, 17]) {
    const event = `event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"${'x'.repeat(maxEventBytes - frame + spare)}"}}\n\n`;
    const bytes = Buffer.from(event);
    const whole = tell(anthropicMessages, [bytes]);
    t.equal(textOf(whole).length, spare <= 0 ? maxEventBytes - frame + spare : 65_536);
    for (const before of [1, 2, 3, 9]) {
      const at = bytes.length - before;
      t.strictSame(tell(anthropicMessages, [bytes.subarray(0, at), bytes.subarray(at)]), whole, `${spare}, ${before}`);
    }
  }
});

t.test('of an event that breaks off what came is kept, in every chunking and at every length', async (t) => {
  const event = `data: ${JSON.stringify(delta({ content: 'aé€😀' }))}`.replace('😀', '\\ud83d\\ude00\\\\\\n');
  const bytes = Buffer.from(event);
  for (let length = 1; length < bytes.length; length++) {
    const told = tell(openaiChat, [bytes.subarray(0, length)]);
    if (!'aé€😀\\\n'.startsWith(textOf(told)) && !/[\ud800-\udbff]$/.test(textOf(told)))
      t.fail(`${length}: ${textOf(told)}`);
    const split = tell(openaiChat, [bytes.subarray(0, length >> 1), bytes.subarray(length >> 1, length)]);
    if (JSON.stringify(split) !== JSON.stringify(told)) t.fail(`${length}`);
  }
  const broken = tell(openaiChat, [bytes.subarray(0, bytes.length - 30)]);
  t.strictSame([textOf(broken).slice(0, 2), broken.incomplete], ['aé', true]);
  const garbage = tell(openaiChat, [Buffer.from('data: ping\n\n: x\n\n')]);
  t.strictSame([textOf(garbage), garbage.incomplete], ['ping', true], 'what is in no format is told as it stands');
  const silent = tell(openaiChat, [Buffer.from('data:\n\ndata: \n\n: x\n\n')]);
  t.strictSame([silent.entries, silent.incomplete], [[], false], 'a sign of life says nothing');
});

t.test('a whole answer where a stream was asked for has its text at the end', async (t) => {
  const body = {
    choices: [
      { message: { role: 'assistant', content: 'a', tool_calls: [{ function: { name: 'f', arguments: '{}' } }] } },
    ],
  };
  const told = tell(openaiChat, [Buffer.from(JSON.stringify(body))], 'application/json');
  t.strictSame(told, {
    entries: [{ from: 0, text: 'a\nf\n{}', tools: ['f'], incomplete: false }],
    tools: ['f'],
    incomplete: false,
  });
  t.equal(
    tell(openaiChat, [Buffer.from('<html>')], 'text/html').incomplete,
    true,
    'what cannot be read is not complete',
  );
});

t.test('a reader that keeps no text tells none, and all facts are the same with and without', async (t) => {
  for (const [dialect, events] of [
    [openaiChat, chatEvents],
    [anthropicMessages, messageEvents],
  ] as const) {
    const bytes = Buffer.from(sse(events));
    const [plain, keeping] = [dialect.openStream(null), dialect.openStream(null, { keepText: true })];
    for (const reader of [plain, keeping]) reader.push(bytes);
    t.strictSame([plain.takeText(), plain.toolsCalled(), plain.textIncomplete()], [[], [], true]);
    t.strictSame(plain.end(), keeping.end());
  }
  const unread = opaque.openStream('text/event-stream', { keepText: true });
  unread.push(Buffer.from('data: x\n\n'));
  t.strictSame([unread.takeText(), unread.toolsCalled(), unread.textIncomplete()], [[], [], true]);
});

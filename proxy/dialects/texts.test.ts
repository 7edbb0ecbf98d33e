import fc from 'fast-check';
import t from 'tap';
import { anthropicMessages } from './anthropic-messages/index.ts';
import type { AnswerTexts, Dialect, RequestTexts, TextSpot } from './dialect.ts';
import { dice, spellJson } from './fixtures/json-spellings.ts';
import { editTexts } from './json-edits.ts';
import { opaque } from './opaque/index.ts';
import { openaiChat } from './openai-chat/index.ts';

function request(dialect: Dialect, body: unknown, text = JSON.stringify(body)): RequestTexts {
  return dialect.readRequestTexts?.(Buffer.from(text), body) ?? { spots: [], extras: [], tools: [] };
}

function answer(dialect: Dialect, body: unknown): AnswerTexts {
  const bytes = Buffer.from(JSON.stringify(body));
  return dialect.readAnswerTexts?.(bytes, body) ?? { spots: [], extras: [], tools: [], repeats: [] };
}

const brief = (spots: readonly TextSpot[]) =>
  spots.map(({ role, part, message, text }) => `${role}${message ?? ''}${part === 'text' ? '' : ' args'}: ${text}`);

t.test('all texts of a chat request are read, in order, and no media', async (t) => {
  const body = {
    tools: [
      {
        type: 'function',
        function: {
          name: 'f',
          description: 'D',
          parameters: { type: 'object', title: 'T', properties: { description: { type: 'string', description: 'P' } } },
        },
      },
    ],
    messages: [
      { role: 'developer', content: 'S' },
      {
        content: [
          { type: 'text', text: 'U' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } },
        ],
        role: 'user',
      },
      { role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }, 'loose'] },
      {
        role: 'user',
        content: [{ type: 'file', file: { file_data: 'data:application/pdf;base64,AA', filename: 'plan.pdf' } }],
      },
      {
        role: 'assistant',
        content: null,
        refusal: 'R',
        reasoning_content: 'C',
        tool_calls: [{ id: 'call', type: 'function', function: { name: 'f', arguments: '{"a":"b"}' } }],
        function_call: { name: 'g', arguments: '{}' },
      },
      { role: 'tool', tool_call_id: 'call', content: 'X' },
      { role: 'function', name: 'g', content: 'Y' },
      { role: 'narrator', content: 'N', made_up: { deep: ['M'] } },
    ],
    prediction: { type: 'content', content: 'guess' },
    response_format: { type: 'json_schema', json_schema: { name: 'n', description: 'J', schema: { enum: ['e'] } } },
    user: 'someone',
  };
  const { spots, tools } = request(openaiChat, body);
  t.strictSame(brief(spots), [
    ...['other: f', 'other: D', 'other: T', 'other: P'],
    'system0: S',
    'user1: U',
    ...['other2: wav', 'user2: loose'],
    'user3: plan.pdf',
    ...['assistant4: R', 'assistant4: C'],
    ...['other4: call', 'other4: f', 'assistant4 args: {"a":"b"}'],
    ...['other4: g', 'assistant4 args: {}'],
    ...['other5: call', 'tool5: X'],
    ...['other6: g', 'tool6: Y'],
    ...['other7: narrator', 'other7: N', 'other7: M'],
    ...['other: guess', 'other: n', 'other: J', 'other: e', 'other: someone'],
  ]);
  t.strictSame(tools, ['f', 'g']);
});

t.test('all texts of a messages request are read, in order, and no media', async (t) => {
  const body = {
    messages: [
      { role: 'user', content: 'U' },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'H', signature: 'sig' },
          { type: 'redacted_thinking', data: 'AAAA' },
          { type: 'text', text: 'A' },
          { type: 'tool_use', id: 't', name: 'f', input: { q: 'I', list: ['J', 1, { url: 'K' }] } },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: 'X' }] },
          { type: 'tool_result', tool_use_id: 't', content: 'Y' },
          { type: 'document', title: 'T', source: { type: 'text', media_type: 'text/plain', data: 'D' } },
          { type: 'document', source: { type: 'content', content: [{ type: 'text', text: 'E' }] } },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
          { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
        ],
      },
    ],
    system: [{ type: 'text', text: 'S', cache_control: { type: 'ephemeral', ttl: '5m' } }],
    tools: [{ name: 'f', description: 'Q', input_schema: { type: 'object', properties: { q: { description: 'P' } } } }],
    metadata: { user_id: 'someone' },
  };
  const { spots, tools } = request(anthropicMessages, body);
  t.strictSame(brief(spots), [
    'user0: U',
    ...['assistant1: H', 'assistant1: A', 'other1: t', 'other1: f'],
    ...['assistant1 args: I', 'assistant1 args: J', 'assistant1 args: K'],
    ...['other2: t', 'tool2: X', 'other2: t', 'tool2: Y'],
    ...['user2: T', 'other2: text/plain', 'user2: D', 'user2: E'],
    ...['other2: image/png', 'other2: https://example.com/a.png'],
    'system: S',
    'other: 5m',
    ...['other: f', 'other: Q', 'other: P', 'other: someone'],
  ]);
  t.strictSame(tools, ['f']);
  t.strictSame(brief(request(anthropicMessages, { system: 'S', messages: [] }).spots), ['system: S']);
});

t.test('all texts of a whole answer are read, of every choice, and what repeats them is told', async (t) => {
  const logprobs = { content: [{ token: 'O', logprob: 0, top_logprobs: [] }] };
  const body = {
    choices: [
      { logprobs, finish_reason: 'stop', message: { role: 'assistant', content: 'O', refusal: null, reasoning: 'R' } },
      {
        message: {
          role: 'assistant',
          content: [{ type: 'text', text: 'P' }],
          tool_calls: [
            { id: 'c', function: { name: 'f', arguments: '{"x":1}' } },
            { custom: { name: 'g', input: 'free' } },
          ],
          audio: { id: 'a', data: 'AAAA', transcript: 'heard' },
        },
        logprobs: null,
      },
    ],
  };
  const { spots, tools, repeats } = answer(openaiChat, body);
  const own = [
    ...['assistant: O', 'assistant: R', 'assistant: P'],
    ...['other: c', 'other: f', 'assistant args: {"x":1}', 'other: g', 'assistant args: free'],
    ...['other: a', 'assistant: heard'],
  ];
  t.strictSame(brief(spots), own);
  t.strictSame(tools, ['f', 'g']);
  const bytes = Buffer.from(JSON.stringify(body));
  t.strictSame(
    repeats.map(({ start, end }) => JSON.parse(bytes.subarray(start, end).toString())),
    [logprobs],
  );
  const replacements = [
    ...spots.slice(0, 1).map((spot) => ({ ...spot, text: '[x]' })),
    ...repeats.map((range) => ({ ...range, text: null })),
  ];
  const redacted = JSON.parse(Buffer.from(editTexts(bytes, replacements)).toString());
  t.strictSame(redacted.choices[0], {
    ...body.choices[0],
    logprobs: null,
    message: { ...body.choices[0]?.message, content: '[x]' },
  });
  const message = {
    content: [
      { type: 'thinking', thinking: 'H', signature: 's' },
      { type: 'text', text: 'T', citations: [{ type: 'char_location', cited_text: 'C', document_title: null }] },
      { type: 'server_tool_use', name: 'web_search', input: { query: 'Q' } },
      {
        type: 'web_search_tool_result',
        content: [{ type: 'web_search_result', url: 'u', title: 'W', encrypted_content: 'e' }],
      },
    ],
    stop_reason: 'end_turn',
  };
  const told = answer(anthropicMessages, message);
  t.strictSame(brief(told.spots), [
    ...[
      'assistant: H',
      'assistant: T',
      'assistant: C',
      'other: web_search',
      'assistant args: Q',
      'other: u',
      'tool: W',
    ],
  ]);
  t.strictSame(told.tools, ['web_search']);
});

t.test('a spelling is no obstacle: any JSON text gives the texts of its parsed value, at their places', async (t) => {
  const text = fc.string({ unit: 'binary', maxLength: 12 });
  const lone = fc.constantFrom('\ud83d', 'a\udc00b', '\ud83d\ude00', '\u00e9\u20ac');
  const content = fc.oneof(text, lone);
  const message = fc.record({
    x: fc.jsonValue({ maxDepth: 2 }).filter((value) => !JSON.stringify(value).includes('"')),
    content: fc.oneof(content, fc.array(fc.record({ type: fc.constant('text'), text: content }), { maxLength: 3 })),
    role: fc.constantFrom('user', 'assistant', 'system'),
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 4 }), dice, fc.boolean(), (messages, roll, marked) => {
      const spelled = (marked ? '\ufeff' : '') + spellJson({ model: 'm', messages, z: [1, { content: 'no' }] }, roll);
      const bytes = Buffer.from(spelled);
      const body = JSON.parse(spelled.replace(/^\ufeff/, ''));
      const said = messages.flatMap(({ content: own, role }) =>
        (typeof own === 'string' ? [own] : own.map((part) => part.text)).flatMap((one) =>
          one === '' ? [] : [[role, one]],
        ),
      );
      const expected = [...said, ['other', 'no']];
      for (const dialect of [openaiChat, anthropicMessages]) {
        const { spots } = dialect.readRequestTexts?.(bytes, body) ?? { spots: [] };
        t.strictSame(
          spots.map(({ role, text: own }) => [role, own]),
          expected,
        );
        for (const { start, end, text: own } of spots) t.equal(JSON.parse(bytes.subarray(start, end).toString()), own);
        t.equal(editTexts(bytes, spots), bytes, 'the same texts leave every byte');
        const other = spots.map((spot, at) => ({ ...spot, text: `${at}\ud800"\\` }));
        const after = JSON.parse(
          Buffer.from(editTexts(bytes, other))
            .toString()
            .replace(/^\ufeff/, ''),
        );
        const again = dialect.readRequestTexts?.(editTexts(bytes, other), after)?.spots ?? [];
        t.strictSame(
          again.map(({ text: own }) => own),
          other.map(({ text: own }) => own),
        );
      }
    }),
    { numRuns: 150 },
  );
});

t.test('depth and length break nothing', async (t) => {
  const deep = `${'['.repeat(100_000)}"in"${']'.repeat(100_000)}`;
  const nested = `${'{"a":'.repeat(100_000)}"in"${'}'.repeat(100_000)}`;
  for (const inner of [deep, nested]) {
    const text = `{"messages":[{"role":"user","content":${inner}}],"x":"y"}`;
    for (const dialect of [openaiChat, anthropicMessages])
      t.strictSame(brief(request(dialect, JSON.parse(text), text).spots), ['user0: in', 'other: y']);
  }
});

t.test(
  'a body of more than 20,000 texts or 200,000 values is not read, and that takes no longer than reading those',
  (t) => {
    const rows: [string, number][] = [
      [`{"messages":[{"role":"user","content":[${'"a",'.repeat(19_998)}"b"]}],"model":"m"}`, 19_999],
      [`{"messages":[{"role":"user","content":[${'"a",'.repeat(20_000)}"b"]}]}`, -1],
      [`{"messages":[],"x":[${'1,'.repeat(199_990)}1]}`, 0],
      [`{"messages":[],${Array.from({ length: 20_001 }, (_, at) => `"a${at}":1`).join(',')}}`, -1],
      [`{"messages":[],"x":[${'1,'.repeat(200_000)}1]}`, -1],
      [`{"messages":[],"x":${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}}`, -1],
      [JSON.stringify({ messages: [{ tool_calls: [{ arguments: `[${'"\\n",'.repeat(20_000)}1]` }] }] }), -1],
    ];
    for (const [text, count] of rows) {
      const body = JSON.parse(text);
      for (const dialect of [openaiChat, anthropicMessages])
        t.equal(dialect.readRequestTexts?.(Buffer.from(text), body)?.spots.length ?? -1, count, text.slice(0, 60));
    }
    const size = 16 * 1024 * 1024;
    const large = `{"choices":[{"message":{"content":[${'"a",'.repeat(size / 4)}"b"]}}]}`;
    const bytes = Buffer.from(large);
    const body = JSON.parse(large);
    const times = Array.from({ length: 3 }, () => {
      const from = process.cpuUsage();
      t.equal(openaiChat.readAnswerTexts?.(bytes, body), null);
      const { user, system } = process.cpuUsage(from);
      return (user + system) / 1000;
    });
    t.ok(Math.min(...times) < 150, `${times.map(Math.round)} ms`);
    t.end();
  },
);

t.test('what is no object has unknown texts, and an opaque format has no reader', async (t) => {
  for (const dialect of [openaiChat, anthropicMessages]) {
    t.equal(dialect.readRequestTexts?.(Buffer.from('[]'), []), null);
    t.equal(dialect.readRequestTexts?.(Buffer.from('x'), undefined), null);
    t.equal(dialect.readAnswerTexts?.(Buffer.from('x'), undefined), null);
    t.strictSame(dialect.readRequestTexts?.(Buffer.from('{}'), {}), { spots: [], extras: [], tools: [] });
    t.strictSame(
      dialect.readRequestTexts?.(Buffer.from('{"messages":[{"con'), { messages: [{ content: 'x' }] })?.spots,
      [],
    );
  }
  t.strictSame([opaque.readRequestTexts, opaque.readAnswerTexts, opaque.change], [null, null, null]);
});

t.test('invalid UTF-8 is read as any decoder reads it, and the bytes around it stay', async (t) => {
  const bytes = Buffer.concat([
    Buffer.from('{"messages":[{"role":"user","content":"a'),
    Buffer.from([0xe2, 0x82]),
    Buffer.from('"}],"x":"'),
    Buffer.from([0xff]),
    Buffer.from('"}'),
  ]);
  const { spots } = openaiChat.readRequestTexts?.(bytes, JSON.parse(bytes.toString())) ?? { spots: [] };
  t.strictSame(brief(spots), ['user0: a\ufffd', 'other: \ufffd']);
  const edited = Buffer.from(editTexts(bytes, [{ start: spots[0]?.start ?? 0, end: spots[0]?.end ?? 0, text: 'b' }]));
  t.ok(edited.includes(Buffer.from([0x22, 0xff, 0x22])));
  t.equal(JSON.parse(edited.toString()).messages[0].content, 'b');
});

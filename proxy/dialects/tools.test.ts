import t from 'tap';
import { anthropicMessages } from './anthropic-messages/index.ts';
import type { Dialect } from './dialect.ts';
import { opaque } from './opaque/index.ts';
import { openaiChat } from './openai-chat/index.ts';

const named = (name: string) => ({ type: 'function', function: { name } });
const shell = named('shell');
const twoNames = { type: 'custom', custom: { name: 'shell' }, function: { name: 'ok' } };

function toolsOf(dialect: Dialect, body: unknown): readonly string[] | null {
  const bytes = Buffer.from(JSON.stringify(body) ?? 'x');
  return dialect.readRequest({ route: { method: 'POST', path: '/x' }, body, bytes }).tools;
}

/** The body without those tools, or why they could not be dropped. */
function drop(dialect: Dialect, own: object, dropTools: readonly string[] | 'all'): unknown {
  const body = { model: 'm', messages: [], ...own };
  const bytes = Buffer.from(JSON.stringify(body));
  const changed = dialect.change?.({ bytes, body, route: { method: 'POST', path: '/x' }, plan: { dropTools } });
  if (changed === undefined) return undefined;
  if (changed.failed.length > 0) return changed.failed.map(({ change, why }) => `${change}: ${why}`).join();
  const { model: _model, messages: _messages, ...left } = JSON.parse(Buffer.from(changed.bytes).toString());
  return left;
}

t.test('the tools of a request are all that a server could take for one', (t) => {
  const rows: [Dialect, unknown, readonly string[] | null][] = [
    [openaiChat, {}, []],
    [openaiChat, { tools: null, functions: [] }, []],
    [
      openaiChat,
      { tools: [shell, { type: 'web_search' }], functions: [{ name: 'old' }] },
      ['shell', 'web_search', 'old'],
    ],
    [openaiChat, { tools: [twoNames] }, ['ok', 'shell']],
    [openaiChat, { tools: [{ ...shell, name: 'flat' }] }, ['shell', 'flat']],
    [openaiChat, { web_search_options: {}, plugins: [{ id: 'web' }, {}] }, ['web_search_options', 'web', 'plugins']],
    [openaiChat, { tools: { 0: shell } }, null],
    [openaiChat, { tools: [[shell]] }, null],
    [openaiChat, { tools: [{ function: { description: 'd' } }] }, null],
    [openaiChat, { functions: 'shell' }, null],
    [openaiChat, undefined, null],
    [
      anthropicMessages,
      { tools: [{ name: 'a' }, { type: 'web_search_20250305', name: 'b' }, { type: 'c' }] },
      ['a', 'b', 'c'],
    ],
    [anthropicMessages, { tools: [{ name: 'a', function: { name: 'shell' } }] }, ['a', 'shell']],
    [anthropicMessages, { mcp_servers: [{ name: 's' }, {}] }, ['s', 'mcp_servers']],
    [anthropicMessages, { tools: { 0: { name: 'a' } } }, null],
    [anthropicMessages, { tools: [{ input_schema: {} }] }, null],
    [anthropicMessages, undefined, null],
    [opaque, { tools: [{ name: 'a' }] }, null],
  ];
  for (const [dialect, body, expected] of rows) t.strictSame(toolsOf(dialect, body), expected, JSON.stringify(body));
  const nothing = { route: { method: 'GET', path: '/x' }, body: undefined, bytes: Buffer.alloc(0) };
  for (const dialect of [openaiChat, anthropicMessages, opaque]) t.strictSame(dialect.readRequest(nothing).tools, []);
  t.end();
});

t.test('a tool is dropped by any of its names, and what cannot be told apart fails', (t) => {
  const rows: [Dialect, object, readonly string[] | 'all', unknown][] = [
    [openaiChat, { tools: [twoNames, named('b')] }, ['shell'], { tools: [named('b')] }],
    [openaiChat, { tools: [twoNames] }, ['ok'], {}],
    [openaiChat, { tools: [twoNames], tool_choice: 'auto' }, ['other'], { tools: [twoNames], tool_choice: 'auto' }],
    [
      openaiChat,
      {
        tools: [shell],
        functions: [{ name: 'f' }],
        web_search_options: {},
        plugins: [{ id: 'web' }],
        mcp_servers: [{}],
      },
      'all',
      {},
    ],
    [openaiChat, { tools: [[shell]] }, 'all', {}],
    [openaiChat, { tools: [[shell]] }, ['shell'], 'drop_tools: A tool of tools has no name.'],
    [openaiChat, { tools: { 0: shell } }, 'all', 'drop_tools: The member tools is no list.'],
    [openaiChat, { functions: { 0: shell } }, ['shell'], 'drop_tools: The member functions is no list.'],
    [openaiChat, { tools: null }, ['shell'], { tools: null }],
    [anthropicMessages, { tools: [{ name: 'a', custom: { name: 'shell' } }] }, ['shell'], {}],
    [anthropicMessages, { tools: { 0: shell } }, 'all', 'drop_tools: The member tools is no list.'],
    [anthropicMessages, { tools: [{}] }, ['shell'], 'drop_tools: A tool of tools has no name.'],
    [anthropicMessages, { tools: [{ name: 'a' }], mcp_servers: [{ name: 's' }] }, 'all', {}],
  ];
  for (const [dialect, own, names, expected] of rows)
    t.strictSame(drop(dialect, own, names), expected, `${JSON.stringify(own)} without ${names}`);
  t.end();
});

import fc from 'fast-check';
import t from 'tap';
import { anthropicMessages } from './anthropic-messages/index.ts';
import type { BodyChanges, Dialect } from './dialect.ts';
import { type Dice, dice, spell, spellJson, spellString } from './fixtures/json-spellings.ts';
import { openaiChat } from './openai-chat/index.ts';

const route = { method: 'POST', path: '/v1/chat/completions' };

function change(dialect: Dialect, text: string, plan: BodyChanges, path = route.path) {
  const body: unknown = JSON.parse(text.replace(/^\ufeff/, ''));
  const changed = dialect.change?.({ bytes: Buffer.from(text), body, route: { ...route, path }, plan });
  return { text: Buffer.from(changed?.bytes ?? []).toString(), failed: changed?.failed ?? [] };
}

const chat = (text: string, plan: BodyChanges) => change(openaiChat, text, plan);
const messages = (text: string, plan: BodyChanges) => change(anthropicMessages, text, plan, '/v1/messages');
const why = (made: { failed: readonly { change: string }[] }) => made.failed.map((one) => one.change);

t.test('parameters are set in place or at the front, and removed with one comma', async (t) => {
  const set = (parameter: string, json: string): BodyChanges => ({ set: [{ parameter, json }] });
  t.equal(chat('{"a" : 1 , "b":2}', set('a', '0.2')).text, '{"a" : 0.2 , "b":2}');
  t.equal(chat('{ "b":2}', set('a', 'true')).text, '{"a":true, "b":2}');
  t.equal(chat('{ }', set('a', '"x"')).text, '{"a":"x" }');
  t.equal(chat('\ufeff {"b":2}', set('a', '1')).text, '\ufeff {"a":1,"b":2}');
  t.equal(chat('{"a":1 , "b":2,"c":3}', { remove: ['b'] }).text, '{"a":1 , "c":3}');
  t.equal(chat('{"a":1 , "b":2}', { remove: ['b'] }).text, '{"a":1}');
  t.equal(chat('{"a":1,"b":2,"c":3 }', { remove: ['a', 'c'] }).text, '{"b":2 }');
  t.equal(chat('{ "a":1 ,\r\n "b":[{"c":"}"}] }', { remove: ['a', 'b'] }).text, '{  }');
  t.equal(chat('{"a":1}', { remove: ['a'], ...set('b', '2') }).text, '{"b":2}');
  t.equal(chat('{"\\u0061":1,"b":2}', { remove: ['a'] }).text, '{"b":2}');
  t.equal(chat('{"b":12345678901234567890,"c":1.0}', { remove: ['a'] }).text, '{"b":12345678901234567890,"c":1.0}');
});

t.test('what has changes of its own, or decides what is told, is neither set nor removed', async (t) => {
  const body = '{"model":"m","messages":[],"n":2,"stream":true}';
  for (const parameter of ['model', 'messages', 'tools', 'stream', 'n', 'max_tokens', 'system', 'stream_options']) {
    for (const dialect of [openaiChat, anthropicMessages]) {
      const made = change(dialect, body, { set: [{ parameter, json: '1' }], remove: [parameter] });
      t.strictSame([made.text, why(made)], [body, ['set', 'remove']]);
    }
  }
  t.strictSame(why(chat(body, { set: [{ parameter: 'a', json: '{' }] })), ['set']);
});

t.test('a model is swapped where the body alone names it', async (t) => {
  t.equal(chat('{"model" : "a" }', { model: 'b' }).text, '{"model" : "b" }');
  const deployed = change(openaiChat, '{"model":"a"}', { model: 'b' }, '/openai/deployments/a/chat/completions');
  t.strictSame([deployed.text, why(deployed)], ['{"model":"a"}', ['swap_model']]);
  t.strictSame(why(chat('{"messages":[]}', { model: 'b' })), ['swap_model']);
  t.strictSame(why(chat('{"model":"a","models":["a","c"]}', { model: 'b' })), ['swap_model']);
  t.equal(messages('{"model":"a"}', { model: 'b' }).text, '{"model":"b"}');
  t.equal(
    chat('{"model":"gpt-4o"}', { model: 'o3', capOutputTokens: 5 }).text,
    '{"max_completion_tokens":5,"model":"o3"}',
  );
});

t.test('tools are dropped from both lists, and with the last of them what needs one', async (t) => {
  const tool = (name: string) => `{"type":"function","function":{"name":"${name}"}}`;
  const two = `{"tools":[${tool('a')} , ${tool('b')}],"tool_choice":`;
  t.equal(chat(`${two}"auto"}`, { dropTools: ['a'] }).text, `{"tools":[${tool('b')}],"tool_choice":"auto"}`);
  t.equal(chat(`${two}${tool('a')}}`, { dropTools: ['a'] }).text, `{"tools":[${tool('b')}]}`);
  t.equal(
    chat(`${two}${tool('a')}}`, { dropTools: ['b'] }).text,
    `{"tools":[${tool('a')}],"tool_choice":${tool('a')}}`,
  );
  t.equal(chat(`${two}"required","parallel_tool_calls":true,"n":1}`, { dropTools: 'all' }).text, '{"n":1}');
  t.equal(chat(`${two}"auto"}`, { dropTools: ['c'] }).text, `${two}"auto"}`);
  const allowed = (list: string) => `{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[${list}]}}`;
  t.equal(
    chat(`${two}${allowed(`${tool('a')},${tool('b')}`)}}`, { dropTools: ['a'] }).text,
    `{"tools":[${tool('b')}],"tool_choice":${allowed(tool('b'))}}`,
  );
  t.equal(
    chat(`${two}${allowed(tool('a'))}}`, { dropTools: ['a'] }).text,
    `{"tools":[${tool('b')}],"tool_choice":"none"}`,
  );
  const older = '{"functions":[{"name":"a"},{"name":"b"}],"function_call":{"name":"a"}}';
  t.equal(chat(older, { dropTools: ['a'] }).text, '{"functions":[{"name":"b"}]}');
  t.equal(chat(older, { dropTools: 'all' }).text, '{}');
  const custom = '{"tools":[{"type":"custom","custom":{"name":"a"}},{"type":"web_search"}]}';
  t.equal(chat(custom, { dropTools: ['a', 'web_search'] }).text, '{}');
  const own = '{"tools":[{"name":"a"},{"type":"bash_20250124","name":"b"}],"tool_choice":{"type":"tool","name":"a"}}';
  t.equal(messages(own, { dropTools: ['a'] }).text, '{"tools":[{"type":"bash_20250124","name":"b"}]}');
  t.equal(messages(own.replace('{', '{"mcp_servers":[{}],'), { dropTools: 'all' }).text, '{}');
  const both = chat(`${two}"auto"}`, { dropTools: 'all', set: [{ parameter: 'tool_choice', json: '"auto"' }] });
  t.strictSame([both.text, why(both)], ['{}', ['set']]);
});

t.test('an instruction stands behind those that are there', async (t) => {
  const add: BodyChanges = { addSystem: ['be "good"', 'and é'] };
  const said = (role: string) => `{"role":"${role}","content":"be \\"good\\""},{"role":"${role}","content":"and é"}`;
  const user = '{"role":"user","content":"u"}';
  t.equal(chat('{"messages":[ ]}', add).text, `{"messages":[${said('system')} ]}`);
  t.equal(chat(`{"messages":[ ${user}]}`, add).text, `{"messages":[ ${said('system')},${user}]}`);
  const lead = '{"role":"system","content":"s"}';
  t.equal(
    chat(`{"messages":[${lead} , ${user},${lead}]}`, add).text,
    `{"messages":[${lead},${said('system')} , ${user},${lead}]}`,
  );
  const developer = '{"role":"developer","content":"s"}';
  t.equal(chat(`{"messages":[${developer}]}`, add).text, `{"messages":[${developer},${said('developer')}]}`);
  t.strictSame(why(chat('{"messages":"x"}', add)), ['add_system']);
  const joined = 'be \\"good\\"\\n\\nand é';
  t.equal(messages('{"n":1}', add).text, `{"system":"${joined}","n":1}`);
  t.equal(messages('{"system":null}', add).text, `{"system":"${joined}"}`);
  t.equal(messages('{"system":"\\u0053"}', add).text, `{"system":"\\u0053\\n\\n${joined}"}`);
  const block = '{"type":"text","text":"s"}';
  t.equal(
    messages(`{"system":[${block} ]}`, { addSystem: ['x'] }).text,
    `{"system":[${block},{"type":"text","text":"x"} ]}`,
  );
  t.strictSame(why(messages('{"system":7}', add)), ['add_system']);
  const body = '{"system":"secret"}';
  const [spot] = anthropicMessages.readRequestTexts?.(Buffer.from(body), JSON.parse(body))?.spots ?? [];
  const replaceTexts = [{ start: spot?.start ?? 0, end: spot?.end ?? 0, text: '[x]' }];
  t.equal(messages(body, { replaceTexts, addSystem: ['y'] }).text, '{"system":"[x]\\n\\ny"}');
});

t.test('a text that is replaced within a value that is set or removed goes with it', async (t) => {
  const body =
    '{"documents":"secret","prediction":{"content":"secret"},"tools":[{"name":"a","description":"secret"}],"n":1}';
  const spots = openaiChat.readRequestTexts?.(Buffer.from(body), JSON.parse(body))?.spots ?? [];
  t.equal(spots.length, 4);
  const replaceTexts = spots.map(({ start, end }) => ({ start, end, text: '[x]' }));
  const set = [{ parameter: 'documents', json: '[]' }];
  const made = chat(body, { replaceTexts, set, remove: ['prediction'], dropTools: 'all' });
  t.strictSame([made.text, made.failed], ['{"documents":[],"n":1}', []]);
});

t.test('a body that is no object is left alone, and each change that was asked for is told as failed', async (t) => {
  const plan: BodyChanges = {
    capOutputTokens: 1,
    model: 'm',
    dropTools: 'all',
    addSystem: ['x'],
    set: [{ parameter: 'a', json: '1' }],
    remove: ['b'],
    replaceTexts: [{ start: 0, end: 2, text: '' }],
  };
  const bytes = Buffer.from('not json');
  const made = openaiChat.change?.({ bytes, body: undefined, route, plan });
  t.equal(made?.bytes, bytes);
  t.equal(made?.failed.length, 7);
  t.strictSame(why(chat('{"a":1}', { replaceTexts: [{ start: 1, end: 3, text: 'x' }] })), ['redact']);
});

interface Sample {
  members: { name: string; value: unknown }[];
  plan: BodyChanges;
  redact: boolean;
  roll: Dice;
}

const word = fc.string({ unit: 'binary', maxLength: 6 });
const name = fc.constantFrom('a', 'b', 'c');
const role = fc.constantFrom('system', 'developer', 'user', 'assistant');
const message = fc.record({ role, content: word });
const chatTool = name.map((one) => ({ type: 'function', function: { name: one, description: 'd' } }));
const chatMembers = fc.record(
  {
    model: fc.constantFrom('gpt-4o', 'o3'),
    messages: fc.array(message, { maxLength: 4 }),
    tools: fc.array(chatTool, { maxLength: 3 }),
    tool_choice: fc.oneof(fc.constantFrom('auto', 'none'), chatTool),
    functions: fc.array(fc.record({ name }), { minLength: 1, maxLength: 2 }),
    function_call: fc.oneof(fc.constant('auto'), fc.record({ name })),
    parallel_tool_calls: fc.boolean(),
    max_tokens: fc.constantFrom(10, 1000, null),
    temperature: fc.constantFrom(0, 1, 0.5),
    seed: fc.nat(),
    'we"ird é': fc.jsonValue(),
  },
  { requiredKeys: ['model', 'messages'] },
);
const messageMembers = fc.record(
  {
    model: fc.constantFrom('claude-a', 'claude-b'),
    messages: fc.array(message, { maxLength: 3 }),
    system: fc.oneof(
      word,
      fc.constant(null),
      fc.array(fc.record({ type: fc.constant('text'), text: word }), { maxLength: 2 }),
    ),
    tools: fc.array(fc.record({ name, description: word }), { maxLength: 3 }),
    tool_choice: fc.oneof(
      fc.constant({ type: 'auto' }),
      name.map((one) => ({ type: 'tool', name: one })),
    ),
    max_tokens: fc.constantFrom(10, 1000),
    temperature: fc.constantFrom(0, 1, 0.5),
    'we"ird é': fc.jsonValue(),
  },
  { requiredKeys: ['model', 'messages'] },
);
const plans: fc.Arbitrary<BodyChanges> = fc.record(
  {
    capOutputTokens: fc.constantFrom(5, 50, 5000),
    model: fc.constantFrom('gpt-4o-mini', 'o4'),
    dropTools: fc.oneof(fc.constant('all' as const), fc.uniqueArray(name, { maxLength: 3 })),
    addSystem: fc.array(word, { minLength: 1, maxLength: 2 }),
    set: fc.array(fc.constantFrom({ parameter: 'temperature', json: '0.2' }, { parameter: 'top_p', json: '1' }), {
      maxLength: 1,
    }),
    remove: fc.uniqueArray(fc.constantFrom('seed', 'we"ird é', 'absent'), { maxLength: 3 }),
  },
  { requiredKeys: [] },
);
const samples = (members: fc.Arbitrary<object>): fc.Arbitrary<Sample> =>
  fc.tuple(members, plans, fc.boolean(), dice).map(([body, plan, redact, roll]) => {
    const listed = Object.entries(body).map(([own, value]) => ({ name: own, value }));
    return { members: listed.sort(() => roll() - 0.5), plan, redact, roll };
  });

type Body = Record<string, unknown>;
type Named = { name?: string; function?: { name: string }; role?: string };
const nameOf = (tool: Named) => tool.function?.name ?? tool.name ?? '';

/** What the plan means, made on the parsed value. */
function model(body: Body, plan: BodyChanges, dialect: Dialect): Body {
  const isChat = dialect === openaiChat;
  const made: Body = { ...body, ...(plan.model === undefined ? {} : { model: plan.model }) };
  const cap = plan.capOutputTokens;
  if (cap !== undefined) {
    const isNewer = isChat && !('max_tokens' in made) && /^o\d/.test(String(made.model));
    const key = isNewer ? 'max_completion_tokens' : 'max_tokens';
    if (typeof made[key] !== 'number' || made[key] > cap) made[key] = cap;
  }
  const isGone = (tool: Named) => plan.dropTools === 'all' || (plan.dropTools ?? []).includes(nameOf(tool));
  for (const [list, choice] of [
    ['tools', 'tool_choice'],
    ['functions', 'function_call'],
  ] as const) {
    const given = made[list] as Named[] | undefined;
    const left = given?.filter((tool) => !isGone(tool));
    const isEmptied = given !== undefined && given.length > 0 && left?.length === 0;
    const chosen = made[choice];
    const isNamed = typeof chosen === 'object' && chosen !== null && nameOf(chosen) !== '' && isGone(chosen);
    if (left !== undefined) made[list] = left;
    if (isEmptied) delete made[list];
    if (isEmptied || isNamed) delete made[choice];
    if (isEmptied && isChat && list === 'tools') delete made.parallel_tool_calls;
  }
  if (plan.addSystem !== undefined) addSystem(made, plan.addSystem, isChat);
  for (const { parameter, json } of plan.set ?? []) made[parameter] = JSON.parse(json);
  for (const parameter of plan.remove ?? []) delete made[parameter];
  return made;
}

function addSystem(made: Body, texts: readonly string[], isChat: boolean): void {
  const list = made.messages as Named[];
  const head = list.findIndex((one) => one.role !== 'system' && one.role !== 'developer');
  const at = head < 0 ? list.length : head;
  const added = texts.map((content) => ({ role: list[at - 1]?.role ?? 'system', content }));
  if (isChat) made.messages = [...list.slice(0, at), ...added, ...list.slice(at)];
  else if (Array.isArray(made.system)) made.system = [...made.system, ...texts.map((text) => ({ type: 'text', text }))];
  else made.system = [...(made.system ? [made.system] : []), ...texts].join('\n\n');
}

t.test(
  'for any body, spelling and plan the result parses to what the plan means, and no other byte changed',
  async (t) => {
    for (const [dialect, members] of [
      [openaiChat, chatMembers],
      [anthropicMessages, messageMembers],
    ] as const) {
      fc.assert(
        fc.property(samples(members), ({ members: listed, plan, redact, roll }) => {
          const spelled = listed.map(({ name: own, value }) => ({
            own,
            raw: `${spellString(own, roll)}${spell(roll)}:${spell(roll)}${spellJson(value, roll)}`,
          }));
          const text = `${spell(roll)}{${spelled.map(({ raw }) => spell(roll) + raw + spell(roll)).join(',')}}`;
          const body: Body = JSON.parse(text);
          const spots = dialect.readRequestTexts?.(Buffer.from(text), body)?.spots ?? [];
          const hidden = redact ? spots.filter(({ role: own }) => own === 'user' || own === 'system') : [];
          const replaceTexts = hidden.map(({ start, end }) => ({ start, end, text: '[é]' }));
          const made = change(dialect, text, { ...plan, replaceTexts });
          const redacted = redact ? JSON.parse(JSON.stringify(body, hide)) : body;
          const expected = model(redacted, plan, dialect);
          t.strictSame(JSON.parse(made.text), expected);
          t.strictSame(made.failed, []);
          for (const { own, raw } of spelled) {
            const isSame = own in expected && JSON.stringify(expected[own]) === JSON.stringify(body[own]);
            if (isSame && !made.text.includes(raw)) t.fail(`${raw} in ${made.text}`);
          }
        }),
        { numRuns: 800 },
      );
    }
  },
);

/** Replaces what user and system say, as the replacer of JSON.stringify. */
function hide(this: unknown, key: string, value: unknown): unknown {
  if (value === '') return value;
  const holder = this as Named & { type?: string };
  if (key === 'content' && typeof value === 'string' && holder.role !== 'assistant') return '[é]';
  if (key === 'system' && typeof value === 'string' && 'messages' in holder) return '[é]';
  return key === 'text' && holder.type === 'text' && typeof value === 'string' ? '[é]' : value;
}

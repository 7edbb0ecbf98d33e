import { deflateSync, gzipSync } from 'node:zlib';
import t from 'tap';
import type { PolicyEntry, PolicyPhase } from '../../storage/schema/snapshot.ts';
import {
  chat,
  chatAnswer,
  chatEnd,
  chatEvent,
  eventStream,
  idOf,
  limit,
  openWorld,
  poll,
  type World,
} from './test-world.ts';

const usage = { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 };
const factOf = { request: 'request.text', response: 'answer.text', stream: 'stream.text', admit: 'request.text' };

let world: World;
/** Bodies that reached the provider. */
const seen: string[] = [];

t.before(async () => {
  world = await openWorld();
});
t.teardown(() => world.close());
t.beforeEach(() => {
  seen.length = 0;
  world.provide((request, response) => {
    seen.push(request.body);
    response.setHeader('content-type', 'application/json');
    response.end(chatAnswer('hello', usage));
  });
});

function noSecret(phase: PolicyPhase, part: Partial<PolicyEntry> = {}): PolicyEntry {
  return {
    ...{ id: 'no-secret', version: 1, phase, mode: 'enforce', scope: {}, on_error: 'deny' },
    when: { contains: [{ var: factOf[phase] }, 'secret'] },
    then: { action: 'deny', reason: 'not to be told' },
    ...part,
  };
}

async function force(...policies: PolicyEntry[]): Promise<void> {
  await world.setLimits([limit({ id: 'daily', kind: 'requests', ceiling: '1000' })], { policies });
}

function post(body: string | Buffer, path = '/v1/chat/completions', type = 'application/json'): Promise<Response> {
  const headers = { authorization: 'Bearer secret', 'content-type': type };
  return fetch(`${world.url}/sim${path}`, { method: 'POST', headers, body });
}

/** What a caller has got before its answer ended or broke off. */
async function textOf(answer: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of answer.body ?? []) text += decoder.decode(chunk as Uint8Array, { stream: true });
  } catch {
    // What came before the break is what counts here.
  }
  return text;
}

t.test(
  'a body that is read here otherwise than by lenient providers is refused where policies are enforced',
  async (t) => {
    const body = '{"model":"sim-1","messages":[{"role":"user","content":"\\u0073ecret"}]}';
    const odd: [string, string | Buffer, string?][] = [
      ['a byte order mark', `\ufeff${body}`],
      ['a trailing comma', body.replace('}]}', '}],}')],
      ['NaN', body.replace('{', '{"x":NaN,')],
      ['a comment', `/**/${body}`],
      ['UTF-16', Buffer.from(body, 'utf16le')],
      ['another type', body, 'multipart/form-data; boundary=x'],
    ];
    await force(noSecret('request'));
    for (const [what, bytes, type] of odd) {
      const answer = await post(bytes, undefined, type);
      t.equal(answer.status, 400, what);
      t.match(await answer.json(), { error: { code: 'request_invalid', message: /one JSON object/ } });
    }
    t.same(seen, []);
    await force(noSecret('request', { mode: 'shadow' }));
    for (const [what, bytes, type] of odd) t.equal((await post(bytes, undefined, type)).status, 200, what);
    t.equal(seen.length, odd.length, 'a policy in shadow refuses nothing');
  },
);

t.test('a scope on a route holds for every way to write it', async (t) => {
  await force(noSecret('request', { scope: { route: '/v1/chat/completions' }, when: { '==': [1, 1] } }));
  const ways = ['/v1//chat/completions', '/v1/chat/completions/', '/v1/%63hat/completions', '/V1/Chat/Completions'];
  for (const path of [...ways, '/v1/chat/completions;a=b', '/v1/chat/completions']) {
    t.equal((await post('{"model":"sim-1","messages":[]}', path)).status, 403, path);
  }
  t.equal((await post('{"model":"sim-1"}', '/v1/embeddings')).status, 200);
});

t.test('a scope on a model is open where the model cannot be told', async (t) => {
  const scoped = noSecret('request', { scope: { model: 'sim-1' } });
  const text = 'a secret, and no model';
  await force(scoped);
  const refused = await post(text, '/v1/audio', 'text/plain');
  t.equal(refused.status, 403);
  t.match((await world.finishOf(idOf(refused))).open.decision, {
    matched: [{ policy: 'no-secret', indeterminate: true, reason: /unknown: request\.model/ }],
  });
  t.equal((await post('nothing to hide', '/v1/audio', 'text/plain')).status, 200, 'its condition does not hold');
  await force({ ...scoped, on_error: 'allow' });
  t.equal((await post(text, '/v1/audio', 'text/plain')).status, 200);
  await force(noSecret('request', { scope: { model: 'another' }, when: { '==': [1, 1] } }));
  t.equal((await chat(world)).status, 200);
});

t.test('an event stream under another name is not passed unread to policies on streams', async (t) => {
  await force(noSecret('stream'));
  for (const type of ['text/plain', 'application/json', 'application/octet-stream', '']) {
    world.provide((_, response) => {
      response.writeHead(200, type === '' ? {} : { 'content-type': type });
      response.end(chatEvent('the secret is 42') + chatEnd(usage));
    });
    const answer = await chat(world, { stream: true });
    t.equal(answer.status, 403, type);
    t.notMatch(await answer.text(), '42');
    t.match(await world.finishOf(idOf(answer)), { status: 'truncated', decided_by: 'policy:no-secret@1' });
  }
  world.provide((_, response) => response.writeHead(200).end(chatAnswer('no stream, and the secret', usage)));
  t.equal((await chat(world, { stream: true })).status, 200, 'a whole answer is the matter of the response phase');
});

t.test('nothing passes behind the terminal event of a stream that policies read', async (t) => {
  await force(noSecret('stream'));
  world.provide((_, response) => {
    response.writeHead(200, eventStream);
    response.write(chatEvent('hello') + chatEnd(usage));
    setTimeout(() => response.end(chatEvent('the secret is 42')), 600);
  });
  const text = await textOf(await chat(world, { stream: true }));
  t.match(text, '[DONE]');
  t.notMatch(text, '42');
  world.provide((_, response) => {
    response.writeHead(200, eventStream).end(chatEvent('hello') + chatEnd(usage) + chatEvent('the secret is 42'));
  });
  const atOnce = await textOf(await chat(world, { stream: true }));
  t.match(atOnce, /\[DONE\]\n\n$/);
});

t.test('a provider that pours behind its terminal event is let go', async (t) => {
  await force();
  let closed = false;
  let sent = 0;
  world.provide((_, response) => {
    response.writeHead(200, eventStream);
    response.on('close', () => {
      closed = true;
    });
    response.write(chatEvent('hello') + chatEnd(usage));
    const pour = setInterval(() => {
      if (closed) return clearInterval(pour);
      sent += 8192;
      response.write(`: ${'x'.repeat(8190)}`);
    }, 20);
  });
  const answer = await chat(world, { stream: true });
  const text = await textOf(answer);
  t.match(text, '[DONE]');
  t.ok(text.length < 32 * 1024);
  await poll(() => (closed ? true : null), 'the provider to be let go');
  t.ok(sent < 8 * 1024 * 1024);
  t.equal((await world.finishOf(idOf(answer))).status, 'succeeded');
});

t.test('a stream whose encoding cannot be undone is decided on before any of it leaves', async (t) => {
  await force(noSecret('stream'));
  const events = chatEvent('the secret is 42, and more. '.repeat(50)) + chatEnd(usage);
  const ways: [string, Buffer][] = [
    ['gzip', Buffer.from(events)],
    ['deflate', Buffer.from(events)],
    ['br', deflateSync(events)],
  ];
  for (const [encoding, bytes] of ways) {
    world.provide((_, response) => {
      response.writeHead(200, { ...eventStream, 'content-encoding': encoding });
      response.end(bytes);
    });
    const finish = await world.endDuring(async () => {
      const answer = await chat(world, { stream: true }).catch(() => null);
      t.notMatch(answer === null ? '' : await textOf(answer), '42', encoding);
    });
    t.match(finish, { status: 'truncated', decided_by: 'policy:no-secret@1' }, encoding);
  }
  world.provide((_, response) => {
    response.writeHead(200, { ...eventStream, 'content-encoding': 'gzip' });
    response.end(gzipSync(chatEvent('nothing to hide') + chatEnd(usage)));
  });
  t.match(await (await chat(world, { stream: true })).text(), 'nothing to hide');
});

t.test('what the policies of a stream say is on record where the caller leaves before its end', async (t) => {
  await force(noSecret('stream'));
  let go: () => void = () => undefined;
  const shown = new Promise<void>((resolve) => {
    go = resolve;
  });
  world.provide((_, response) => {
    response.writeHead(200, eventStream);
    response.write(chatEvent('the secret is 42'), () => go());
  });
  const finish = await world.endDuring(async () => {
    const gone = new AbortController();
    const answer = await chat(world, { stream: true }, 'sim', gone.signal);
    await shown;
    await answer.body?.getReader().read();
    gone.abort();
  });
  t.match(finish, {
    status: 'cancelled',
    verdict: 'deny',
    decided_by: 'policy:no-secret@1',
  });
  t.match(finish.decisions?.at(-1), { phase: 'stream', verdict: 'deny' });
});

t.test('a run is modified where a byte of it is, and not where there was nothing to change', async (t) => {
  const change = noSecret('request', {
    ...{ id: 'cap', when: { '==': [1, 1] } },
    then: {
      ...{ action: 'modify', reason: 'small' },
      changes: [
        { change: 'cap_output', tokens: 50 },
        { change: 'swap_model', model: 'sim-1' },
        { change: 'remove', parameter: 'seed' },
      ],
    },
  });
  await force(change);
  const same = await chat(world, { max_tokens: 20 });
  t.match(await world.finishOf(idOf(same)), { verdict: 'modify', altered: false, marks: [] });
  const other = await chat(world, { max_tokens: 200 });
  t.match(await world.finishOf(idOf(other)), { verdict: 'modify', altered: true, marks: ['modified'] });
  t.same(JSON.parse(seen[0] ?? ''), { model: 'sim-1', messages: [{ role: 'user', content: 'hello' }], max_tokens: 20 });
});

t.test('one event with the text of thousands of places is cut, and other runs have their turn', async (t) => {
  await force(
    noSecret('stream', { when: { '>': [{ var: 'stream.detectors.email' }, 0] } }),
    noSecret('stream', { id: 'words', when: { contains: [{ var: 'stream.text' }, 'no such words'] } }),
  );
  const text = `${'nothing of note. '.repeat(40_000)} jane@example.com ${'and more. '.repeat(500)}`;
  world.provide((request, response) => {
    if (!request.body.includes('stream')) return response.end(chatAnswer('hello', usage));
    return response.writeHead(200, eventStream).end(chatEvent(text) + chatEnd(usage));
  });
  const order: string[] = [];
  const long = chat(world, { stream: true }).then(async (answer) => {
    t.notMatch(await textOf(answer), 'jane');
    order.push('long');
  });
  await new Promise((resolve) => setTimeout(resolve, 30));
  const short = Array.from({ length: 3 }, () => chat(world).then((answer) => order.push(String(answer.status))));
  await Promise.all([long, ...short]);
  t.equal(order.filter((one) => one === '200').length, 3);
});

t.test('what is taken out of the arguments of a tool leaves them JSON, in requests and answers', async (t) => {
  const take = (phase: PolicyPhase, fact: string): PolicyEntry =>
    noSecret(phase, {
      ...{ id: `take-${phase}`, when: { '>': [{ var: fact }, 0] } },
      then: {
        action: 'modify',
        reason: 'cards',
        changes: [{ change: 'redact', detectors: ['payment_card', 'email'] }],
      },
    });
  await force(take('request', 'detectors.payment_card'), take('response', 'answer.detectors.payment_card'));
  const call = (args: object) => ({
    id: 'c1',
    type: 'function',
    function: { name: 'pay', arguments: JSON.stringify(args) },
  });
  const args = { card: 4111111111111111, to: 'jane@example.com', text: 'a "quoted" line\n' };
  const toolCalls = [call(args)];
  world.provide((request, response) => {
    seen.push(request.body);
    const message = { role: 'assistant', content: null, tool_calls: toolCalls };
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({ id: 'c', model: 'sim-1', choices: [{ index: 0, message, finish_reason: 'tool_calls' }], usage }),
    );
  });
  const answer = await chat(world, {
    messages: [
      { role: 'user', content: 'pay' },
      { role: 'assistant', content: null, tool_calls: toolCalls },
    ],
  });
  const expected = { card: '[redacted:payment_card]', to: '[redacted:email]', text: args.text };
  const sent = JSON.parse(seen[0] ?? '');
  t.same(JSON.parse(sent.messages[1].tool_calls[0].function.arguments), expected);
  const got = (await answer.json()) as {
    choices: { message: { tool_calls: { function: { arguments: string } }[] } }[];
  };
  t.same(JSON.parse(got.choices[0]?.message.tool_calls[0]?.function.arguments ?? ''), expected);
});

t.test('what is found only across the parts of a message counts, and cannot be taken out', async (t) => {
  const parts = (...texts: string[]) => [{ role: 'user', content: texts.map((text) => ({ type: 'text', text })) }];
  const split = parts('write to jane@exam', 'ple.com please');
  await force(noSecret('request', { when: { '==': [{ var: 'detectors.email' }, 1] } }));
  t.equal((await chat(world, { messages: split })).status, 403);
  t.equal((await chat(world, { messages: parts('jane@example.com', 'is one') })).status, 403, 'and is counted once');
  await force(noSecret('request'));
  t.equal((await chat(world, { messages: parts('the sec', 'ret') })).status, 403);
  const changes = [{ change: 'redact' as const, detectors: ['email'] }];
  const redact = noSecret('request', { when: { '==': [1, 1] }, then: { action: 'modify', reason: 'r', changes } });
  await force(redact);
  const refused = await chat(world, { messages: split });
  t.equal(refused.status, 403);
  t.match(await refused.json(), { error: { message: /spread over several texts/ } });
});

t.test(
  'a name that differs by case from one of its format is refused, and in other formats is none of our business',
  async (t) => {
    await force(noSecret('request'));
    const twice = await post('{"model":"sim-1","Model":"another","messages":[]}');
    t.equal(twice.status, 400);
    t.match(await twice.json(), { error: { code: 'request_invalid', message: /case or space alone/ } });
    t.equal((await post('{"Input":"x","Model":"m"}', '/v1/other')).status, 200);
    t.equal((await post('{"Input":"\\u0073ecret","Model":"m"}', '/v1/other')).status, 403, 'its text is looked at');
  },
);

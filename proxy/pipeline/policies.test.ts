import t from 'tap';
import type { PolicyAction, PolicyEntry } from '../../storage/schema/snapshot.ts';
import { chat, chatAnswer, chatEnd, chatEvent, eventStream, idOf, limit, openWorld, type World } from './test-world.ts';

const deny: PolicyAction = { action: 'deny', reason: 'not here' };

function policy(id: string, part: Partial<PolicyEntry>): PolicyEntry {
  return {
    id,
    version: 1,
    phase: 'request',
    mode: 'enforce',
    scope: {},
    when: true,
    then: deny,
    on_error: 'deny',
    ...part,
  };
}

const usage = { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 };
const anything = { '==': [1, 1] };

let world: World;
/** Bodies that reached the provider. */
const seen: string[] = [];

t.before(async () => {
  world = await openWorld();
});
t.teardown(() => world.close());
t.beforeEach(() => {
  seen.length = 0;
});

/** Puts policies into force before a provider that answers whole. */
async function force(policies: readonly PolicyEntry[], answer = 'hello', settings: object = {}): Promise<void> {
  await world.setLimits([limit({ id: 'daily', kind: 'requests', ceiling: '1000' })], { policies, ...settings });
  world.provide((request, response) => {
    seen.push(request.body);
    response.setHeader('content-type', 'application/json');
    response.end(chatAnswer(answer, usage));
  });
}

t.test('a request whose text matches is denied before the wire, by its policy', async (t) => {
  await force([policy('no-project', { when: { matches: [{ var: 'request.text' }, '(?i)project-x'] } })]);
  const answer = await chat(world, { messages: [{ role: 'user', content: 'tell me of PROJECT-X' }] });
  t.equal(answer.status, 403);
  t.match(await answer.json(), { error: { code: 'policy_denied' } });
  t.same(seen, []);
  const finish = await world.finishOf(idOf(answer));
  t.match(finish, { status: 'blocked', verdict: 'deny', decided_by: 'policy:no-project@1', cost_nano_usd: '0' });
  t.notMatch(JSON.stringify(finish), /PROJECT-X/, 'the text stands in the context by its digest');
  t.equal((await chat(world)).status, 200);
});

t.test('what detectors find is a fact, and can be taken out of what goes to the provider', async (t) => {
  await force([
    policy('redact', {
      when: { '>': [{ var: 'detectors.email' }, 0] },
      then: { action: 'modify', reason: 'no addresses', changes: [{ change: 'redact', detectors: ['email'] }] },
    }),
  ]);
  const answer = await chat(world, {
    temperature: 1.0,
    messages: [{ role: 'user', content: 'write to jane@example.com' }],
  });
  t.equal(answer.status, 200);
  t.match(JSON.parse(seen[0] ?? ''), { messages: [{ content: 'write to [redacted:email]' }] });
  const finish = await world.finishOf(idOf(answer));
  t.match(finish, { verdict: 'modify', decided_by: 'policy:redact@1', altered: true, marks: ['modified'] });
  t.match(finish.open.decision?.modifications, [
    { policy: 'redact', change: 'redact', detail: 'email', applied: true },
  ]);
});

t.test(
  'every change of a policy reaches the provider, and what the run may cost is that of the changed request',
  async (t) => {
    const changes = [
      { change: 'cap_output', tokens: 7 },
      { change: 'add_system', text: 'Be brief.' },
      { change: 'drop_tools', tools: ['shell'] },
      { change: 'set', parameter: 'temperature', value: { decimal: '0.2' } },
      { change: 'remove', parameter: 'logit_bias' },
    ] as const;
    await force([policy('change', { when: anything, then: { action: 'modify', reason: 'house rules', changes } })]);
    const tools = ['shell', 'search'].map((name) => ({ type: 'function', function: { name } }));
    const answer = await chat(world, { tools, max_tokens: 500, logit_bias: { 5: 1 } });
    t.equal(answer.status, 200);
    const body = JSON.parse(seen[0] ?? '') as Record<string, unknown>;
    t.same(body, {
      model: 'sim-1',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'hello' },
      ],
      tools: tools.slice(1),
      max_tokens: 7,
      temperature: 0.2,
    });
    const finish = await world.finishOf(idOf(answer));
    t.equal(finish.open.decision?.modifications.length, 5);
  },
);

t.test('a change that cannot be made counts by on_error, with the reason on record', async (t) => {
  const then: PolicyAction = {
    action: 'modify',
    reason: 'cheaper',
    changes: [{ change: 'swap_model', model: 'sim-hidden' }],
  };
  await force([policy('swap', { when: anything, then })]);
  const path = `${world.url}/sim/v1/embeddings`;
  const call = () =>
    fetch(path, { method: 'POST', headers: { authorization: 'Bearer secret' }, body: '{"input":"x"}' });
  const denied = await call();
  t.equal(denied.status, 403);
  t.match(await world.finishOf(idOf(denied)), { decided_by: 'policy:swap@1', reason: /swap_model/ });
  await force([policy('swap', { when: anything, then, on_error: 'allow' })]);
  const passed = await call();
  t.equal(passed.status, 200);
  t.equal((await world.finishOf(idOf(passed))).verdict, 'allow');
  const swapped = await chat(world);
  t.equal((await world.finishOf(idOf(swapped))).model, 'sim-hidden');
});

t.test('a held run is refused with a code of its own', async (t) => {
  await force([policy('ask', { when: anything, then: { action: 'hold', reason: 'a person must approve' } })]);
  const answer = await chat(world);
  t.equal(answer.status, 403);
  t.match(await answer.json(), { error: { code: 'hold_refused' } });
  t.match(await world.finishOf(idOf(answer)), { status: 'blocked', decided_by: 'policy:ask@1' });
});

t.test('a policy on readings refuses what its reservation came to, and gives it back', async (t) => {
  const policies = [policy('busy', { phase: 'admit', when: { '>': [{ var: 'readings.percent.few' }, 50] } })];
  await world.setLimits([limit({ id: 'few', kind: 'requests', ceiling: '4' })], { policies });
  const answers = [await chat(world), await chat(world), await chat(world)];
  t.same(
    answers.map(({ status }) => status),
    [200, 200, 403],
  );
  t.match(await world.finishOf(idOf(answers[2] as Response)), { status: 'blocked', decided_by: 'policy:busy@1' });
  const { used, reserved } = await world.reading('few');
  t.equal(used + reserved, 2n, 'the refused one took nothing');
});

t.test('a session that repeats its prompt is stopped', async (t) => {
  await force([policy('loop', { phase: 'admit', when: { '>=': [{ var: 'session.same_prompt' }, 3] } })]);
  const call = (content: string) =>
    fetch(`${world.url}/sim/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer secret', 'x-hoc-session': 'agent-7', 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'sim-1', messages: [{ role: 'user', content }] }),
    });
  const statuses = [];
  for (const text of ['a', 'a', 'b', 'a', 'b']) statuses.push((await call(text)).status);
  t.same(statuses, [200, 200, 200, 403, 200]);
  t.equal((await chat(world)).status, 403, 'without a session the fact is missing, and on_error decides');
});

t.test('a whole answer is decided on before any of it leaves: refused, redacted, or as it came', async (t) => {
  const leak = { matches: [{ var: 'answer.text' }, 'secret-[0-9]+'] };
  await force([policy('leak', { phase: 'response', when: leak })], 'it is secret-42');
  const refused = await chat(world);
  t.equal(refused.status, 403);
  const text = await refused.text();
  t.match(JSON.parse(text), { error: { code: 'policy_denied' } });
  t.notMatch(text, /secret-42/);
  const ended = await world.finishOf(idOf(refused));
  t.match(ended, { status: 'truncated', verdict: 'deny', decided_by: 'policy:leak@1', refusal_code: 'policy_denied' });
  t.match(ended.usage, { output_tokens: 3 }, 'what was produced is paid for');
  t.match(ended.decisions, [
    { phase: 'request', verdict: 'allow' },
    { phase: 'response', verdict: 'deny' },
  ]);

  const then: PolicyAction = {
    action: 'modify',
    reason: 'none',
    changes: [{ change: 'redact', detectors: ['email'] }],
  };
  await force([policy('redact', { phase: 'response', when: anything, then })], 'ask jane@example.com');
  const redacted = await chat(world);
  const body = await redacted.text();
  t.equal(Number(redacted.headers.get('content-length')), Buffer.byteLength(body));
  t.match(JSON.parse(body), { choices: [{ message: { content: 'ask [redacted:email]' } }], usage });
  t.match(await world.finishOf(idOf(redacted)), { status: 'succeeded', verdict: 'modify', altered: true });

  await force([policy('leak', { phase: 'response', when: leak })], 'nothing');
  const passed = await chat(world);
  t.equal(await passed.text(), chatAnswer('nothing', usage));
  t.match(await world.finishOf(idOf(passed)), { status: 'succeeded', verdict: 'allow', altered: false });
});

t.test('an answer that is too large to be held counts by on_error', async (t) => {
  const large = 'x'.repeat(1_200_000);
  const when = { contains: [{ var: 'answer.text' }, 'secret'] };
  await force([policy('leak', { phase: 'response', when })], large);
  const refused = await chat(world);
  t.equal(refused.status, 403);
  t.match(await world.finishOf(idOf(refused)), { status: 'truncated', decided_by: 'policy:leak@1' });
  await force([policy('leak', { phase: 'response', when, on_error: 'allow' })], large);
  const passed = await chat(world);
  t.equal((await passed.text()).length, chatAnswer(large, usage).length);
});

/** A provider whose stream comes in the given pieces. */
function streamIn(pieces: readonly string[]): void {
  world.provide((_, response) => {
    response.writeHead(200, eventStream);
    const send = (at: number) => {
      const piece = pieces[at];
      if (piece === undefined) {
        response.end();
        return;
      }
      response.write(piece);
      setImmediate(() => send(at + 1));
    };
    send(0);
  });
}

const words = Array.from({ length: 60 }, (_, at) => `word${String(at).padStart(4, '0')} `);

t.test('a stream is cut at the same event, whatever pieces it comes in', async (t) => {
  const when = { matches: [{ var: 'stream.text' }, 'word0040'] };
  await force([policy('cut', { phase: 'stream', when })]);
  const whole = words.map((word) => chatEvent(word)).join('') + chatEnd(usage);
  const cuts = [
    [whole.length],
    [100, 101, 333],
    Array.from({ length: 40 }, (_, at) => at * 197 + 3),
    [whole.length - 20],
  ];
  const got: string[] = [];
  for (const edges of cuts) {
    const places = [0, ...edges, whole.length];
    streamIn(places.slice(1).map((end, at) => whole.slice(places[at], end)));
    const answer = await chat(world, { stream: true });
    const text = await answer.text();
    got.push(text.replaceAll(idOf(answer) ?? '-', 'ID'));
    const finish = await world.finishOf(idOf(answer));
    t.match(finish, { status: 'truncated', verdict: 'deny', decided_by: 'policy:cut@1' });
  }
  t.equal(new Set(got).size, 1);
  t.match(got[0], /word0038/);
  t.notMatch(got[0], /word0056/, 'nothing behind the place of the verdict');
  t.notMatch(got[0], /\[DONE\]/);
  t.match(got[0], /policy_denied/);
});

t.test('a stream that no policy objects to passes byte for byte, and says what was decided', async (t) => {
  const when = { '>': [{ var: 'stream.detectors.email' }, 0] };
  await force([policy('watch', { phase: 'stream', when, mode: 'shadow' })]);
  const whole = [...words, 'jane@example.com ', ...words].map((word) => chatEvent(word)).join('') + chatEnd(usage);
  streamIn([whole.slice(0, 1000), whole.slice(1000)]);
  const answer = await chat(world, { stream: true });
  t.equal(await answer.text(), whole);
  const finish = await world.finishOf(idOf(answer));
  t.match(finish, { status: 'succeeded', verdict: 'allow', altered: false });
  t.match(finish.open.decisions?.at(-1)?.decision.shadow, [{ policy: 'watch', verdict: 'deny' }]);
});

t.test('what a response policy finds in a stream ends it before its terminal event', async (t) => {
  const when = { matches: [{ var: 'answer.text' }, 'word0059'] };
  await force([policy('late', { phase: 'response', when })]);
  streamIn([words.map((word) => chatEvent(word)).join('') + chatEnd(usage)]);
  const answer = await chat(world, { stream: true });
  const text = await answer.text();
  t.match(text, /word0059/);
  t.notMatch(text, /\[DONE\]/);
  t.match(await world.finishOf(idOf(answer)), { status: 'truncated', decided_by: 'policy:late@1' });
});

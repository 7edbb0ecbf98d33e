import fc from 'fast-check';
import t from 'tap';
import type { InspectionJob } from '../../policy/detectors/index.ts';
import { inspectTexts } from '../../policy/detectors/index.ts';
import { checkPolicies } from '../../policy/rules/index.ts';
import { anyCondition } from '../../policy/rules/test-policies.ts';
import type { PolicyEntry } from '../../storage/schema/snapshot.ts';
import { chat, chatAnswer, chatEnd, chatEvent, eventStream, idOf, openWorld, type World } from './test-world.ts';

/** What a decision may take at most, microseconds. */
const mostUs = 5000;
const tools = { var: 'request.tools' };
const model = { var: 'request.model' };
const item = { var: '' };

/** Conditions that the check lets pass and that take as long as they can, on the facts of `longestBody`. */
const dear: readonly (readonly [string, unknown])[] = [
  ['a test of every tool', { some: [tools, { '==': [item, 'x'] }] }],
  ['a search in every tool', { some: [tools, { contains: [item, `${'a'.repeat(60)}b`] }] }],
  ['lists of lists', { intersects: [{ merge: [tools, tools] }, tools] }],
  [
    'lists made of lists',
    { '>': [{ bare: [{ count: [{ map: [tools, { cat: [item, 'x'] }] }, { endsWith: [item, 'ax'] }] }] }, 9999] },
  ],
  ['letters turned', { contains: [{ upper: [{ lower: [{ cat: [model, model] }] }] }, 'aab'] }],
  ['a text searched for a text', { contains: [model, { substr: [model, 1] }] }],
  ['an expression with nested repetitions', { matches: [{ substr: [model, 0, 256] }, '(x+x+)+y'] }],
  ['an expression whose states multiply', { matches: [{ substr: [model, 0, 256] }, '[ab]*a[ab]{100}c'] }],
  ['a long list', { in: [model, Array.from({ length: 900 }, (_, at) => `model-${at}`)] }],
];

const longestBody = {
  model: 'ab'.repeat(256),
  tools: Array.from({ length: 1024 }, () => ({ type: 'function', function: { name: 'a'.repeat(64) } })),
  messages: [{ role: 'user', content: 'ab'.repeat(100) }],
};

let world: World;
/** Jobs that went to the inspector's thread. */
const handedOver: InspectionJob[] = [];
t.before(async () => {
  world = await openWorld({
    inspect: async (_, job) => {
      handedOver.push(job);
      return inspectTexts(job);
    },
  });
  world.provide(
    (_, response) => void response.setHeader('content-type', 'application/json').end(chatAnswer('ok', null)),
  );
});
t.teardown(() => world.close());

function policyOf(when: unknown, id: string): PolicyEntry {
  const then = { action: 'deny', reason: 'no' } as const;
  return { id, version: 1, phase: 'request', mode: 'enforce', scope: {}, when, then, on_error: 'deny' };
}

/** As many policies of these conditions in turn as the check takes together. */
function fill(conditions: readonly unknown[], most = 120): PolicyEntry[] {
  const policies: PolicyEntry[] = [];
  for (let at = 0; at < most; at += 1) {
    const next = [...policies, policyOf(conditions[at % conditions.length], `p${at}`)];
    if (checkPolicies(next).length > 0) break;
    policies.push(next.at(-1) as PolicyEntry);
  }
  return policies;
}

/** Microseconds from the end of the stage before to the end of `decide`, the least of several runs; null where one crashed. */
async function decideUs(body: object, times = 5): Promise<number | null> {
  let least = Number.POSITIVE_INFINITY;
  for (let nth = 0; nth < times; nth += 1) {
    const answer = await chat(world, body);
    await answer.arrayBuffer();
    const { events, verdict, status } = await world.finishOf(idOf(answer));
    const at = (stage: string) => events.find((event) => event.stage === stage)?.at_us ?? Number.NaN;
    if (!['allow', 'deny'].includes(verdict) || !['succeeded', 'blocked'].includes(status)) return null;
    least = Math.min(least, at('decide') - at('read'));
  }
  return least;
}

t.test(
  'the dearest conditions that the check lets pass, as many as it lets pass together, decide within 5 ms',
  async (t) => {
    for (const [name, when] of [...dear, ['all of them in turn', null] as const]) {
      const policies = fill(when === null ? dear.map(([, one]) => one) : [when]);
      t.ok(policies.length > 0, `${name} passes the check`);
      await world.setLimits([], { policies });
      const us = await decideUs(longestBody);
      t.ok(us !== null && us < mostUs, `${name}, ${policies.length} times: ${us} us`);
    }
  },
);

t.test('any conditions that the check lets pass decide within 5 ms, and nothing crashes', async (t) => {
  const conditions = fc.sample(anyCondition, 300).filter((when) => checkPolicies([policyOf(when, 'p')]).length === 0);
  t.ok(conditions.length > 100, `${conditions.length} conditions`);
  for (let from = 0; from < conditions.length; from += 50) {
    const policies = fill(conditions.slice(from, from + 50), 50);
    await world.setLimits([], { policies });
    const us = await decideUs(longestBody, 3);
    if (us === null || us >= mostUs) t.fail(`${us} us: ${JSON.stringify(policies.map(({ when }) => when))}`);
  }
});

/** Expressions that make RE2's automaton grow with every character of a text. */
const multiplying = ['[ab]*a[ab]{12}c', '[ab]*a[ab]{100}c', 'a[^c]{0,60}c', '(a|b)*a(a|b){30}c', '(a[ab]{10}){5}c'];
/** The same as streams may ask for: short ones, of which a few together take long. */
const multiplyingTogether = ['[ab]a[ab]{9}c', '[ab]b[ab]{9}c', '[ab]a[ab]{9}[cd]'];

t.test(
  'an expression that may be slow on a prompt is looked for beside the event loop, one that cannot be where it came',
  async (t) => {
    let text = '';
    for (let at = 0, state = 1; at < 4096; at += 1) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      text += state & 0x10000 ? 'a' : 'b';
    }
    const body = { messages: [{ role: 'user', content: text }] };
    for (const pattern of multiplying) {
      const policies = [policyOf({ matches: [{ var: 'request.text' }, pattern] }, 'p')];
      t.same(checkPolicies(policies), [], pattern);
      await world.setLimits([], { policies });
      handedOver.length = 0;
      t.equal((await chat(world, body)).status, 200);
      t.equal(handedOver.length, 1, `${pattern} is handed over`);
    }
    for (const pattern of ['(?i)project-x', '(x+x+)+y']) {
      await world.setLimits([], { policies: [policyOf({ matches: [{ var: 'request.text' }, pattern] }, 'p')] });
      handedOver.length = 0;
      const us = await decideUs(body);
      t.equal(handedOver.length, 0, `${pattern} is not`);
      t.ok(us !== null && us < mostUs, `${pattern}: ${us} us`);
    }
  },
);

t.test('the same on a stream: the event waits for its verdict, and the event loop goes on', async (t) => {
  const text = 'ab'.repeat(128);
  const stream = Array.from({ length: 20 }, () => chatEvent(text)).join('') + chatEnd(null);
  const watch = (patterns: readonly string[]): PolicyEntry => ({
    ...policyOf({ or: patterns.map((pattern) => ({ matches: [{ var: 'stream.text' }, pattern] })) }, 'p'),
    phase: 'stream',
  });
  const asked = [
    [multiplyingTogether, true],
    [['(x+x+)+y', 'x*y'], false],
  ] as const;
  for (const [patterns, isSlow] of asked) {
    await world.setLimits([], { policies: [watch(patterns)] });
    world.provide((_, response) => void response.writeHead(200, eventStream).end(stream));
    handedOver.length = 0;
    const answer = await chat(world, { stream: true });
    t.equal(await answer.text(), stream, patterns.join(' '));
    t.equal((await world.finishOf(idOf(answer))).status, 'succeeded');
    t.equal(handedOver.length > 0, isSlow, `${patterns.join(' ')}: ${handedOver.length} handed over`);
  }
});

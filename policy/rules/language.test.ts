import t from 'tap';
import type { FactValue } from '../../storage/schema/decision.ts';
import type { PolicyAction, PolicyChange, PolicyEntry, PolicyPhase } from '../../storage/schema/snapshot.ts';
import { detectorIds } from '../detectors/index.ts';
import {
  checkPolicies,
  compilePolicies,
  decidePhase,
  describeFacts,
  describeOperators,
  explainDecision,
  freezeContext,
  planChanges,
  renderExplanation,
} from './index.ts';
import { readQuantity } from './quantity.ts';
import { anyRun, policyOf } from './test-policies.ts';
import { isDuring, readTimeWindows } from './time-window.ts';

const v = (name: string) => ({ var: name });

function decide(policies: readonly PolicyEntry[], facts: Record<string, FactValue>, phase: PolicyPhase = 'request') {
  const compiled = compilePolicies(policies);
  const context = freezeContext({ phase, atMs: 0, names: compiled.factsNamed(phase), read: (name) => facts[name] });
  return { compiled, context, decision: decidePhase(compiled, anyRun, context) };
}

/** True and false by the condition, null where it is open. */
function truthOf(when: unknown, facts: Record<string, FactValue> = {}): boolean | null {
  const { decision } = decide([policyOf(when)], facts);
  return decision.matched[0]?.indeterminate === true ? null : decision.verdict === 'deny';
}

t.test('each phase does what it may and nothing else', async (t) => {
  const modify = (...changes: PolicyChange[]): PolicyAction => ({ action: 'modify', reason: 'r', changes });
  const actions: Record<string, PolicyAction> = {
    deny: { action: 'deny', reason: 'r' },
    hold: { action: 'hold', reason: 'r' },
    'modify by redaction': modify({ change: 'redact', detectors: ['email'] }),
    'modify by a cap': modify({ change: 'cap_output', tokens: 1 }),
    warn: { action: 'warn', reason: 'r' },
    tag: { action: 'tag', tags: { a: 'b' } },
  };
  const allowed: Record<PolicyPhase, readonly string[]> = {
    request: Object.keys(actions),
    admit: ['deny', 'warn', 'tag'],
    response: ['deny', 'modify by redaction', 'warn', 'tag'],
    stream: ['deny', 'warn', 'tag'],
  };
  for (const [phase, names] of Object.entries(allowed)) {
    for (const [name, then] of Object.entries(actions)) {
      const findings = checkPolicies([policyOf(true, { phase: phase as PolicyPhase, then })]);
      t.equal(findings.length === 0, names.includes(name), `${phase} ${name}`);
    }
  }
});

t.test('a phase sees its own facts and those of earlier phases', async (t) => {
  const sees: Record<PolicyPhase, readonly PolicyPhase[]> = {
    request: ['request'],
    admit: ['request', 'admit'],
    response: ['request', 'admit', 'response'],
    stream: ['request', 'admit', 'stream'],
  };
  for (const [phase, visible] of Object.entries(sees)) {
    for (const fact of describeFacts().filter(({ name }) => !name.includes('<'))) {
      const test = fact.type === 'content' ? { contains: [v(fact.name), 'x'] } : { '!!': [v(fact.name)] };
      const [finding] = checkPolicies([policyOf(test, { phase: phase as PolicyPhase })]);
      t.equal(finding === undefined, visible.includes(fact.phase), `${phase} ${fact.name}`);
      if (finding !== undefined) t.match(finding.message, `belongs to phase ${fact.phase}`);
    }
  }
  t.match(
    checkPolicies([policyOf({ '>': [v('readings.percent.daly'), 80] }, { phase: 'admit' })], undefined, {
      limits: ['daily'],
    }),
    [{ message: /unknown fact "readings.percent.daly"; did you mean readings.percent.daily\?/ }],
  );
});

t.test('every fact and operator is described', async (t) => {
  for (const { name, meaning } of describeFacts()) t.ok(meaning.length > 5, name);
  for (const { name, meaning, takes } of describeOperators()) t.ok(meaning.length > 2 && takes.length > 2, name);
  t.ok(detectorIds.every((id) => describeFacts().some(({ name }) => name === `detectors.${id}`)));
});

t.test('operators come to what they say', async (t) => {
  const facts = { 'request.model': 'GPT-4o', 'request.tools': ['shell', 'search'], 'request.message_count': 7 };
  const cases: readonly (readonly [unknown, boolean | null])[] = [
    [{ '==': [{ '/': [7, 2] }, 3] }, true],
    [{ '==': [{ '/': [-7, 2] }, -3] }, true],
    [{ '==': [{ '/': [9007199254740991, 2] }, 4503599627370495] }, true],
    [{ '==': [{ '/': [1, 0] }, 0] }, null],
    [{ '==': [{ '%': [-7, 2] }, -1] }, true],
    [{ '==': [{ '%': [7, 0] }, 0] }, null],
    [{ '==': [{ '*': [9007199254740991, 2] }, 0] }, null],
    [{ '==': [{ '+': ['42'] }, 42] }, true],
    [{ '==': [{ '+': ['4.2'] }, 4] }, null],
    [{ '==': [{ lower: v('request.model') }, 'gpt-4o'] }, true],
    [{ '==': [{ upper: 'straße' }, 'STRAßE'] }, true],
    [{ '==': [{ cat: [v('request.model'), 7, true] }, 'GPT-4o7true'] }, true],
    [{ '==': [{ substr: [v('request.model'), -2] }, '4o'] }, true],
    [{ '==': [{ length: v('request.model') }, 6] }, true],
    [{ '==': [{ length: v('request.tools') }, { quantity: '2 count' }] }, true],
    [{ '==': [{ count: [v('request.tools'), { startsWith: [{ var: '' }, 'se'] }] }, 1] }, true],
    [{ intersects: [v('request.tools'), ['search', 'x']] }, true],
    [{ subset: [v('request.tools'), ['search', 'x']] }, false],
    [{ subset: [[], v('request.tools')] }, true],
    [{ in: ['SHELL', { map: [v('request.tools'), { upper: [{ var: '' }] }] }] }, true],
    [{ matches: [v('request.model'), '^(?i)gpt-4'] }, true],
    [{ matches: [{ cat: [v('request.model'), 'x'.repeat(250), 'y'] }, 'x'] }, null],
    [{ '>': [v('request.message_count'), 6, 5] }, true],
    [{ '==': [{ bare: v('request.message_count') }, { bare: { length: 'sevense' } }] }, true],
    [{ '==': [{ '??': [v('tags.team'), 'none'] }, 'none'] }, true],
    [{ '==': [{ '??': [v('tags.team'), v('tags.x')] }, 'none'] }, null],
    [{ in: ['tags.team', { missing: ['tags.team', 'request.model'] }] }, true],
    [{ '!!': [{ missing_some: [1, ['tags.team', 'request.model']] }] }, false],
    [{ if: [{ '==': [v('request.model'), 'x'] }, true] }, null],
    [{ '==': [{ if: [v('request.model'), 'yes', 'no'] }, 'yes'] }, true],
    [{ '<': ['a', 'b', 'c'] }, true],
    [{ in: [v('request.model'), [{ cat: ['GPT', '-4o'] }]] }, true],
  ];
  for (const [when, expected] of cases) t.equal(truthOf(when, facts), expected, JSON.stringify(when));
});

t.test('a quantity is the exact integer of its smallest unit', async (t) => {
  const cases: Record<string, number> = {
    '0.50 USD': 500_000_000,
    '0.000000001 USD': 1,
    '64 KiB': 65_536,
    '30 s': 30_000,
    '1.5 min': 90_000,
    '8 ktokens': 8_000,
    '80 %': 80,
    '-2 USD': -2_000_000_000,
  };
  for (const [text, value] of Object.entries(cases)) t.match(readQuantity(text), { value }, text);
  for (const text of [
    '',
    '5',
    'USD',
    '1 EUR',
    '1,5 s',
    '0.0000000001 USD',
    '0.5 tokens',
    '1e3 s',
    ' 1 s',
    '99999999 USD',
  ])
    t.type(readQuantity(text), 'string', text);
});

t.test('a time window holds from its begin up to its end, in its offset, across midnight and the week', async (t) => {
  const at = (text: string) => Date.parse(text);
  const cases: readonly (readonly [string[], string, boolean])[] = [
    [['mon-fri 09:00-17:00'], '2026-11-23T09:00:00Z', true],
    [['mon-fri 09:00-17:00'], '2026-11-23T17:00:00Z', false],
    [['mon-fri 09:00-17:00'], '2026-11-22T12:00:00Z', false],
    [['mon-fri 09:00-17:00', '+02:00'], '2026-11-23T07:00:00Z', true],
    [['mon-fri 09:00-17:00', '-05:00'], '2026-11-23T13:59:59Z', false],
    [['22:00-06:00'], '2026-11-23T02:00:00Z', true],
    [['fri 22:00-06:00'], '2026-11-28T05:59:59Z', true],
    [['sun 22:00-06:00'], '2026-11-23T05:00:00Z', true],
    [['sun 22:00-06:00'], '2026-11-24T05:00:00Z', false],
    [['fri-mon'], '2026-11-23T23:59:59Z', true],
    [['fri-mon'], '2026-11-24T00:00:00Z', false],
    [['sat,sun', 'wed 00:00-24:00'], '2026-11-25T12:00:00Z', true],
    [['mon'], '1969-12-29T00:00:00Z', true],
  ];
  for (const [texts, instant, expected] of cases) {
    const windows = readTimeWindows(texts);
    if (typeof windows === 'string') t.fail(windows);
    else t.equal(isDuring(windows, at(instant)), expected, `${texts.join(' ')} at ${instant}`);
  }
});

t.test('a test of a content is a fact of its own, whose text the context never holds', async (t) => {
  const when = {
    and: [{ matches: [v('request.text'), '(?i)project-x'] }, { '>': [{ length: [v('request.text')] }, 10] }],
  };
  const policies = [policyOf(when), policyOf({ in: ['a', v('request.text')] }, { id: 'r', phase: 'response' })];
  const compiled = compilePolicies(policies);
  const [named, size] = ['request.text matches "(?i)project-x"', 'request.text length'];
  t.strictSame(compiled.factsNamed('request'), ['request.text', size, named]);
  t.strictSame(compiled.factsNamed('response'), ['request.text', 'request.text contains "a"']);
  t.strictSame(
    compiled.scansNamed('request').map(({ test, pattern }) => [test, pattern]),
    [
      ['contains', 'a'],
      ['length', ''],
      ['matches', '(?i)project-x'],
    ],
  );
  t.strictSame(compiled.scansNamed('response'), []);
  const { context, decision } = decide(policies, { 'request.text': 'on Project-X', [named]: true, [size]: 12 });
  t.match(context.facts['request.text'], { digest: /^[0-9a-f]{64}$/, length: 12 });
  t.notMatch(JSON.stringify(context), /on Project-X/);
  t.equal(decision.verdict, 'deny');
  t.match(decide(policies, { 'request.text': 'on Project-X', [size]: 12 }).decision.matched[0], {
    indeterminate: true,
  });
});

t.test('detectors are named where their text arrives, for conditions and for redaction', async (t) => {
  const compiled = compilePolicies([
    policyOf({ '>': [v('detectors.email'), 0] }, { id: 'a', phase: 'stream' }),
    policyOf(
      { '>': [v('answer.detectors.iban'), 0] },
      {
        id: 'b',
        phase: 'response',
        then: { action: 'modify', reason: 'r', changes: [{ change: 'redact', detectors: ['phone'] }] },
      },
    ),
  ]);
  t.strictSame(compiled.detectorsNamed('request'), ['email']);
  t.strictSame(compiled.detectorsNamed('response'), ['iban', 'phone']);
  t.strictSame(compiled.detectorsNamed('stream'), []);
  t.equal(compiled.has('admit'), false);
  t.equal(compiled.has('stream'), true);
});

const modify = (id: string, changes: readonly PolicyChange[], fields: Partial<PolicyEntry> = {}) =>
  policyOf(true, { id, then: { action: 'modify', reason: id, changes }, ...fields });

const contested = [
  modify('b', [
    { change: 'cap_output', tokens: 300 },
    { change: 'swap_model', model: 'small' },
    { change: 'set', parameter: 'top_k', value: 3 },
    { change: 'redact', detectors: ['iban'] },
    { change: 'add_system', text: 'second' },
  ]),
  modify('a', [
    { change: 'cap_output', tokens: 500 },
    { change: 'redact', detectors: ['email'] },
    { change: 'add_system', text: 'first' },
    { change: 'drop_tools', tools: ['shell'] },
  ]),
  modify('c', [
    { change: 'swap_model', model: 'other' },
    { change: 'remove', parameter: 'top_k' },
    { change: 'drop_tools', tools: 'all' },
  ]),
];

t.test('changes compose: smallest cap, first swap, tools and detectors together, instructions in order', async (t) => {
  const { compiled, decision } = decide(contested, {});
  t.match(decision, { verdict: 'modify', owner: 'policy:a@1' });
  t.strictSame(planChanges(compiled, decision).changes, {
    capOutputTokens: 300,
    model: 'small',
    set: [{ parameter: 'top_k', value: 3 }],
    dropTools: 'all',
    redact: ['email', 'iban'],
    addSystem: ['first', 'second'],
  });
  const lost = decision.modifications.filter(({ applied }) => !applied);
  t.strictSame(
    lost.map(({ policy, change, detail, why }) => [policy, change, detail, why]),
    [
      ['a', 'cap_output', '500', 'policy b caps at 300'],
      ['c', 'swap_model', 'other', 'policy b swapped the model before'],
      ['c', 'remove', 'top_k', 'policy b changed this parameter before'],
    ],
  );
  const stopped = decide([...contested, policyOf(true, { id: 'z' })], {}).decision;
  t.match(stopped, { verdict: 'deny', owner: 'policy:z@1', modifications: [] });
  const shadowed = decide([modify('s', [{ change: 'cap_output', tokens: 1 }], { mode: 'shadow' })], {}).decision;
  t.match(shadowed, { verdict: 'allow', modifications: [], shadow: [{ verdict: 'modify' }] });
});

t.test(
  'a change that cannot be made makes its policy count by its on_error, and nothing else of it is made',
  async (t) => {
    const failed = [{ change: 'swap_model', why: 'the model stands in the path' }] as const;
    const again = (policies: readonly PolicyEntry[]) => {
      const { compiled, context } = decide(policies, {});
      const decision = decidePhase(compiled, anyRun, { ...context, failed_changes: failed });
      return { decision, plan: planChanges(compiled, decision) };
    };
    t.match(again(contested).decision, {
      verdict: 'deny',
      owner: 'policy:b@1',
      reason: 'policy b could not be applied (swap_model: the model stands in the path)',
      modifications: [],
    });
    const { decision, plan } = again(contested.map((policy) => ({ ...policy, on_error: 'allow' as const })));
    t.match(decision, { verdict: 'modify', owner: 'policy:a@1' });
    t.match(decision.matched, [
      { policy: 'a', verdict: 'modify' },
      { policy: 'b', verdict: 'allow', indeterminate: true },
      { policy: 'c', verdict: 'allow', indeterminate: true },
    ]);
    t.strictSame(plan.changes, { capOutputTokens: 500, dropTools: ['shell'], redact: ['email'], addSystem: ['first'] });
    t.strictSame(
      decision.modifications.filter(({ applied }) => applied).map(({ policy }) => policy),
      ['a', 'a', 'a', 'a'],
    );
    t.equal(decision.modifications.length, 12);
  },
);

t.test('a change that no one may ask for is refused with its place', async (t) => {
  const wrong: readonly (readonly [unknown, string])[] = [
    [{ change: 'cap_output', tokens: 0 }, '.then.changes[0].tokens'],
    [{ change: 'cap_output', tokens: 1.5 }, '.then.changes[0].tokens'],
    [{ change: 'swap_model', model: 'a\nb' }, '.then.changes[0].model'],
    [{ change: 'drop_tools', tools: [] }, '.then.changes[0].tools'],
    [{ change: 'redact', detectors: ['emial'] }, '.then.changes[0].detectors'],
    [{ change: 'redact', detectors: ['dangerous_tools'] }, '.then.changes[0].detectors'],
    [{ change: 'add_system', text: '\ud800' }, '.then.changes[0].text'],
    [{ change: 'set', parameter: 'model', value: 'x' }, '.then.changes[0].parameter'],
    [{ change: 'set', parameter: 'messages', value: 'x' }, '.then.changes[0].parameter'],
    [{ change: 'set', parameter: '__proto__', value: 1 }, '.then.changes[0].parameter'],
    [{ change: 'set', parameter: 'temperature', value: 0.2 }, '.then.changes[0].value'],
    [{ change: 'set', parameter: 'temperature', value: { decimal: '1e9' } }, '.then.changes[0].value'],
    [{ change: 'set', parameter: 'x', value: null }, '.then.changes[0].value'],
    [{ change: 'remove', parameter: 'max_tokens' }, '.then.changes[0].parameter'],
    [{ change: 'explode' }, '.then.changes[0].change'],
    [null, '.then.changes[0]'],
  ];
  for (const [change, field] of wrong) {
    const findings = checkPolicies([modify('m', [change as PolicyChange])]);
    t.match(findings, [{ field: `policies[0]${field}` }], JSON.stringify(change));
  }
  const cap = { change: 'cap_output', tokens: 1 } as const;
  t.match(checkPolicies([modify('m', [cap, cap])]), [{ message: 'a second change of cap_output' }]);
  t.equal(checkPolicies([modify('m', [])]).length, 1);
  t.equal(checkPolicies([modify('m', Array(9).fill(cap))]).length > 0, true);
});

t.test('a default stands in for what is absent, never for what is too long to be decided on', async (t) => {
  const when = { contains: [{ var: ['tags.note', ''] }, 'secret'] };
  t.equal(truthOf(when), false);
  t.equal(truthOf(when, { 'tags.note': 'a secret' }), true);
  t.equal(truthOf(when, { 'tags.note': `secret${' '.repeat(5_000)}` }), null);
});

t.test('an explanation says which facts made which part true, false or open', async (t) => {
  const when = {
    and: [
      { in: [v('request.model'), ['gpt-4', 'o1']] },
      {
        or: [
          { '>': [v('request.max_output_tokens'), { quantity: '1 ktokens' }] },
          { matches: [v('request.text'), 'x+'] },
        ],
      },
    ],
  };
  const policies = [
    policyOf(when, { id: 'big' }),
    policyOf({ '>': [v('price.worst_case_nano_usd'), { quantity: '0.5 USD' }] }, { id: 'dear', on_error: 'allow' }),
    policyOf(true, { id: 'other', scope: { provider: 'anthropic' } }),
    policyOf(false, { id: 'stream', phase: 'stream' }),
  ];
  const facts = { 'request.model': 'gpt-4', 'request.max_output_tokens': 900, 'request.text matches "x+"': true };
  const { context, decision } = decide(policies, facts);
  const explanations = explainDecision(policies, context, decision);
  t.match(explanations, [
    {
      policy: 'big',
      outcome: 'matched',
      verdict: 'deny',
      isOwner: true,
      condition: { place: 'when.and', truth: true },
    },
    { policy: 'dear', outcome: 'open', verdict: 'allow', condition: { truth: null, facts: [{ state: 'missing' }] } },
    { policy: 'other', outcome: 'out_of_scope', verdict: null },
  ]);
  t.match(explanations[0]?.condition.parts[1], {
    place: 'when.and[1].or',
    truth: true,
    parts: [
      {
        place: 'when.and[1].or[0].>',
        truth: false,
        facts: [{ name: 'request.max_output_tokens', value: 900, unit: 'tokens' }],
      },
      { place: 'when.and[1].or[1].matches', truth: true, facts: [{ name: 'request.text matches "x+"', value: true }] },
    ],
  });
  t.strictSame(renderExplanation(decision, explanations), [
    'deny by policy:big@1: no',
    'policy big v1: its condition held, so it says deny and owns the decision',
    '  true: (request.model is one of ["gpt-4", "o1"] and (request.max_output_tokens is more than 1000 tokens or request.text matches "x+"))',
    '    true: request.model is one of ["gpt-4", "o1"] (request.model is "gpt-4")',
    '    true: (request.max_output_tokens is more than 1000 tokens or request.text matches "x+")',
    '      false: request.max_output_tokens is more than 1000 tokens (request.max_output_tokens is 900 tokens)',
    '      true: request.text matches "x+"',
    'policy dear v1: its condition could not be decided, so it says allow',
    '  open: price.worst_case_nano_usd is more than 0.5 USD (price.worst_case_nano_usd is missing)',
    'policy other v1: its scope is not this run',
  ]);
});

import fc from 'fast-check';
import t from 'tap';
import type { PolicyEntry } from '../../storage/schema/snapshot.ts';
import { factTable } from './facts.ts';
import { checkPolicies, compilePolicies, decidePhase } from './index.ts';
import { operatorTable } from './operators.ts';
import { anyRun, condition, contextOf, policyOf } from './test-policies.ts';

const model = { var: 'request.model' };
const cap = { var: 'request.max_output_tokens' };

function nest(depth: number, leaf: unknown, wrap: (inner: unknown) => unknown): unknown {
  let node = leaf;
  for (let i = 0; i < depth; i++) node = wrap(node);
  return node;
}

const cycle: Record<string, unknown> = {};
cycle.and = [true, cycle];
const laughs = nest(40, true, (inner) => ({ and: [inner, inner] }));

const refusals: readonly (readonly [string, unknown, string, RegExp])[] = [
  [
    'an unknown operator',
    { and: [true, { throw: [[], 1, 0] }] },
    '.when.and[1]',
    /unknown operator "throw"; known: var missing/,
  ],
  ['an inherited operator', { __defineGetter__: ['x', 1] }, '.when', /unknown operator "__defineGetter__"/],
  ['an own __proto__ key', JSON.parse('{"__proto__": [1]}'), '.when', /unknown operator "__proto__"/],
  ['constructor as operator', { constructor: [] }, '.when', /unknown operator/],
  [
    'an unknown fact',
    { '==': [{ var: 'request.modle' }, 'x'] },
    '.when.==[0].var',
    /unknown fact "request.modle"; did you mean request.model\?/,
  ],
  ['an inherited fact', { '==': [{ var: 'constructor.name' }, 'x'] }, '.when.==[0].var', /unknown fact/],
  ['a fact through __proto__', { '==': [{ var: '__proto__' }, 'x'] }, '.when.==[0].var', /unknown fact/],
  ['a tag named __proto__', { '==': [{ var: 'tags.__proto__' }, 'x'] }, '.when.==[0].var', /unknown fact/],
  ['the whole context', { '!!': [{ var: '' }] }, '.when.!![0].var', /only inside/],
  ['a climb out of the context', { '==': [{ var: '../request.model' }, 'x'] }, '.when.==[0].var', /unknown fact/],
  [
    'a computed fact name',
    { '==': [{ var: { if: [true, 'request.model', 'x'] } }, 'x'] },
    '.when.==[0].var',
    /takes the name/,
  ],
  [
    'a fact of a later phase',
    { '>': [{ var: 'answer.output_tokens' }, 1] },
    '.when.>[0].var',
    /belongs to phase response/,
  ],
  [
    'a number against a text',
    { '>': [cap, '4000'] },
    '.when.>',
    /takes integers of one unit, or texts; given integer in tokens, text/,
  ],
  ['a text as condition', model, '.when', /must be true or false, this is text/],
  ['a text in and', { and: [model, true] }, '.when.and', /takes booleans/],
  ['null', { '==': [model, null] }, '.when.==[1]', /null is no value; give the fact a default/],
  ['a float', { '>': [cap, 0.5] }, '.when.>[1]', /must be an integer/],
  ['a huge integer', { '>': [cap, 1e300] }, '.when.>[1]', /must be an integer/],
  ['NaN', { '>': [cap, Number.NaN] }, '.when.>[1]', /must be an integer/],
  ['a bigint', { '>': [cap, 1n] }, '.when.>[1]', /expected true, false/],
  ['a function', { and: [() => true] }, '.when.and[0]', /expected true, false/],
  ['a date', { '>': [new Date(0), 1] }, '.when.>[0]', /not a plain JSON object/],
  ['two keys', { and: [true], or: [true] }, '.when', /exactly one key, this one has 2/],
  ['no key', { and: [{}] }, '.when.and[0]', /exactly one key, this one has 0/],
  ['too few arguments', { in: [model] }, '.when.in', /takes 2 arguments, not 1/],
  ['no condition', undefined, '.when', /expected true, false/],
  ['a mixed list', { in: [model, ['a', 1]] }, '.when.in[1]', /texts or integers, not both/],
  ['a list in a list with logic', { in: [model, [['a'], model]] }, '.when.in[1]', /item 0 of the list: a list cannot/],
  ['a mixed list with logic', { in: [model, [1, model]] }, '.when.in[1]', /"merge" takes lists and single items/],
  [
    'a default of another type',
    { '>': [{ var: ['request.max_output_tokens', ''] }, 1] },
    '.when.>[0].var',
    /expected integer, not text/,
  ],
  ['a text of 251 characters', { in: ['x'.repeat(251), model] }, '.when.in[0]', /at most 250/],
  ['a lone surrogate', { '==': [model, '\ud800'] }, '.when.==[1]', /well-formed/],
  ['a list of 1,001', { in: [model, Array(1_001).fill('x')] }, '.when.in[1]', /at most 1000/],
  [
    'outer facts inside some',
    { some: [{ var: 'request.tools' }, { '==': [model, 'x'] }] },
    '.when.some[1].==[0].var',
    /only {"var": ""}/,
  ],
  [
    'depth 20,000',
    nest(20_000, true, (inner) => ({ '!': inner })),
    `.when${'.![0]'.repeat(17)}`,
    /nested deeper than 16/,
  ],
  ['a cycle', cycle, '', /nested deeper|more than 256/],
  ['a billion laughs', laughs, '', /nested deeper|more than 256/],
  ['300 parts', { and: Array(60).fill({ and: Array(5).fill(true) }) }, '', /more than 256 parts/],
  [
    'a list test in a list test',
    { some: [['a'], { some: [['b'], true] }] },
    '.when.some[1].some',
    /inside another list test/,
  ],
  [
    'searches that add up',
    { or: Array(4).fill({ contains: [model, { var: 'tags.team' }] }) },
    '.when',
    /too much work/,
  ],
];

t.test('each wrong condition is refused with its place and the reason', async (t) => {
  for (const [name, when, field, message] of refusals) {
    const findings = checkPolicies([policyOf(when)], () => 'tenants[0].policies[3]');
    t.ok(findings.length > 0, name);
    if (field !== '') t.equal(findings[0]?.field, `tenants[0].policies[3]${field}`, name);
    t.match(findings[0]?.message, message, name);
    t.throws(() => compilePolicies([policyOf(when)]), { code: 'configuration_invalid' }, name);
  }
});

t.test('everything around the condition is checked too', async (t) => {
  const wrong: [Record<string, unknown>, string][] = [
    [{ id: '' }, '.id'],
    [{ id: 'a@1' }, '.id'],
    [{ version: 0 }, '.version'],
    [{ version: 1.5 }, '.version'],
    [{ phase: 'later' }, '.phase'],
    [{ mode: 'monitor' }, '.mode'],
    [{ on_error: undefined }, '.on_error'],
    [{ scope: null }, '.scope'],
    [{ scope: { keys: 'app' } }, '.scope.keys'],
    [{ scope: { key: '' } }, '.scope.key'],
    [{ scope: { tag: '=x' } }, '.scope.tag'],
    [{ scope: { tag: '__proto__=x' } }, '.scope.tag'],
    [{ then: null }, '.then'],
    [{ then: { action: 'hold' } }, '.then.reason'],
    [{ then: { action: 'block', reason: 'no' } }, '.then.action'],
    [{ then: { action: 'modify', reason: 'no' } }, '.then.changes'],
    [{ then: { action: 'deny' } }, '.then.reason'],
    [{ then: { action: 'deny', reason: 'two\nlines' } }, '.then.reason'],
    [{ then: { action: 'tag', tags: {} } }, '.then.tags'],
    [{ then: { action: 'tag', tags: JSON.parse('{"__proto__":"x"}') } }, '.then.tags'],
  ];
  for (const [fields, field] of wrong) {
    const findings = checkPolicies([policyOf(true, fields as Partial<PolicyEntry>)]);
    t.strictSame(
      findings.map((finding) => finding.field),
      [`policies[0]${field}`],
      JSON.stringify(fields),
    );
  }
  t.match(checkPolicies([policyOf(true), policyOf(false)]), [
    { field: 'policies[1].id', message: 'policy id "p" is used twice' },
  ]);
  t.match(checkPolicies([null as unknown as PolicyEntry]), [
    { field: 'policies[0]', message: 'a policy is an object' },
  ]);
});

t.test('a finding quotes an author at most 64 characters and never a prototype', async (t) => {
  const [finding] = checkPolicies([policyOf({ ['x'.repeat(1_000_000)]: [] })]);
  t.ok((finding?.message.length ?? 0) < 400);
  t.equal(({} as Record<string, unknown>).polluted, undefined);
});

t.test('any JSON whatever is refused or decides; nothing throws', async (t) => {
  const names = [...operatorTable.keys(), 'var', '__proto__', 'constructor', 'try', 'pipe', 'val', ''];
  const node = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom<unknown>(...factTable.keys(), 'tags.x', '', null, true, 0, -1, 1e300, 0.5, 'a'),
      fc.array(tie('any'), { maxLength: 4 }),
      fc
        .tuple(fc.constantFrom(...names), tie('any'))
        .map(([name, value]) => Object.defineProperty({}, name, { value, enumerable: true })),
      fc.jsonValue({ maxDepth: 2 }),
    ),
  })).any;
  const values = fc.dictionary(
    fc.constantFrom(...factTable.keys(), 'tags.x'),
    fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.string())),
  );
  let accepted = 0;
  fc.assert(
    fc.property(fc.oneof(node, condition), values, (when, facts) => {
      const policy = policyOf(when);
      if (checkPolicies([policy]).length > 0) return;
      accepted++;
      const compiled = compilePolicies([policy]);
      const frozen = contextOf(facts, [...compiled.factsNamed('request')]);
      decidePhase(compiled, anyRun, frozen);
      // A context that freezeContext did not make: every fact of any type, nothing missing.
      decidePhase(compiled, anyRun, { ...frozen, facts, missing: [] });
    }),
    { numRuns: 4_000 },
  );
  t.ok(accepted > 500, `${accepted} accepted`);
});

t.test('the hardest conditions that pass the check are decided within 5 ms', async (t) => {
  const hay = 'a'.repeat(4_096);
  const needle = `${'a'.repeat(249)}b`;
  const tools = Array.from({ length: 16 }, () => hay.slice(0, 4_096));
  const hard: unknown[] = [
    { or: Array(64).fill({ contains: [model, needle] }) },
    { or: Array(2).fill({ contains: [model, { var: 'tags.team' }] }) },
    { or: Array(3).fill({ some: [{ var: 'request.tools' }, { or: [{ contains: [{ var: '' }, needle] }] }] }) },
    { and: Array(30).fill({ none: [Array(1_000).fill('x'), { '==': [{ var: '' }, 'y'] }] }) },
    { '>': [nest(14, cap, (inner) => ({ '+': [inner, inner] })), 1] },
  ];
  let passed = 0;
  for (const when of hard) {
    if (checkPolicies([policyOf(when)]).length > 0) continue;
    passed++;
    const compiled = compilePolicies([policyOf(when)]);
    const team = `${'a'.repeat(1_023)}b${'a'.repeat(1_024)}`;
    const facts = { 'request.model': hay, 'tags.team': team, 'request.tools': tools, 'request.max_output_tokens': 1 };
    const context = contextOf(facts);
    decidePhase(compiled, anyRun, context);
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      decidePhase(compiled, anyRun, context);
      return performance.now() - start;
    });
    t.ok(Math.min(...times) < 5, `${Math.min(...times).toFixed(2)} ms`);
  }
  t.ok(passed >= 3, `${passed} of ${hard.length} pass the check`);
});

const inStream = (pattern: string, id: string): PolicyEntry =>
  policyOf({ matches: [{ var: 'stream.text' }, pattern] }, { id, phase: 'stream' });

t.test(
  'a pattern that takes too long is refused in streams, and so are too many that take long together',
  async (t) => {
    const [heavy] = checkPolicies([inStream('a.{0,40}b.{0,40}c', 'heavy')]);
    t.match(heavy, {
      field: 'policies[0].when.matches',
      message: /at most 1 ms here\); shorten its repetitions .* over and over/,
    });
    const mild = (i: number) => inStream(`[a-f][^a]{8}z${String.fromCharCode(97 + i)}`, `mild-${i}`);
    t.strictSame(checkPolicies([mild(0), mild(1)]), []);
    const [many, ...more] = checkPolicies(Array.from({ length: 12 }, (_, i) => mild(i)));
    t.match(many, { message: /the patterns looked for in streams take more than 4 ms/ });
    t.strictSame(more, []);
    t.strictSame(checkPolicies(Array.from({ length: 200 }, (_, i) => inStream(`(?i)project-${i}`, `plain-${i}`))), []);
  },
);

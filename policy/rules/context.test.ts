import fc from 'fast-check';
import t from 'tap';
import type { DecisionContext, FactValue } from '../../storage/schema/decision.ts';
import { canonicalJson, sha256Hex } from '../evidence/index.ts';
import { factTable } from './facts.ts';
import { freezeContext } from './index.ts';
import { contextOf } from './test-policies.ts';

const contextDigest = (context: DecisionContext) => sha256Hex(canonicalJson(context));

t.test('a context holds exactly the named facts, sorted, absent ones as null and in missing', async (t) => {
  const context = contextOf({ 'request.model': 'm' }, ['tags.b', 'request.model', 'request.stream', 'request.model']);
  t.strictSame(context, {
    v: 1,
    phase: 'request',
    at_ms: 1_763_800_000_000,
    facts: { 'request.model': 'm', 'request.stream': null, 'tags.b': null },
    missing: ['request.stream', 'tags.b'],
  });
  t.strictSame(Object.keys(context.facts), ['request.model', 'request.stream', 'tags.b']);
});

t.test('the names may come in any order without changing the digest', async (t) => {
  const facts = { 'request.model': 'm', 'request.route': '/r', 'tags.team': 'x' };
  const digests = [Object.keys(facts), Object.keys(facts).reverse()].map((names) =>
    contextDigest(contextOf(facts, names)),
  );
  t.equal(digests[0], digests[1]);
});

t.test(
  'no float enters: fractions round up, amounts are held within 9e15, decimal strings become integers',
  async (t) => {
    const name = 'price.worst_case_nano_usd';
    const freeze = (value: FactValue) => contextOf({ [name]: value }).facts[name];
    t.equal(freeze(1.2), 2);
    t.equal(freeze('9000000000000000'), 9e15);
    t.equal(freeze('123456789012345678901234567890'), 9e15);
    t.equal(freeze(Number.POSITIVE_INFINITY), 9e15);
    for (const wrong of [Number.NaN, '1.5', '', 'abc', true, ['1']]) {
      t.strictSame(contextOf({ [name]: wrong }).missing, [name]);
    }
  },
);

t.test('a fact of the wrong type is missing, never converted', async (t) => {
  const facts = { 'request.model': 5, 'request.stream': 'true', 'request.tools': 'a', 'tags.x': true };
  t.strictSame(contextOf(facts).missing, Object.keys(facts).sort());
});

t.test('a text too long or ill-formed is recorded by digest and is missing, so padding passes no policy', async (t) => {
  const long = contextOf({ 'request.model': `gpt-4${' '.repeat(4_096)}`, 'request.route': 'x'.repeat(4_096) });
  t.strictSame(long.missing, ['request.model']);
  t.match(long.facts['request.model'], /^sha256:[0-9a-f]{64}:4101$/);
  t.match(contextOf({ 'tags.x': '\udc00' }), { missing: ['tags.x'], facts: { 'tags.x': /^sha256:/ } });
  for (const tools of [Array(1_025).fill('a'), Array(17).fill('x'.repeat(4_000)), ['\ud800']]) {
    t.match(contextOf({ 'request.tools': tools }), {
      missing: ['request.tools'],
      facts: { 'request.tools': [/^sha256:/] },
    });
  }
});

t.test('where no texts are kept, no digest of one enters: long ones stand as their length', async (t) => {
  const facts: Record<string, FactValue> = {
    'request.model': 'x'.repeat(4_097),
    'request.route': '\udc00',
    'request.tools': ['y'.repeat(5_000)],
    'request.text': 'a prompt',
  };
  const names = Object.keys(facts);
  const context = freezeContext({ phase: 'request', atMs: 1, names, read: (name) => facts[name], digests: false });
  t.strictSame(context.facts, {
    'request.model': 'long:4097',
    'request.route': 'long:1',
    'request.text': { digest: null, length: 8 },
    'request.tools': ['long:5000'],
  });
  t.strictSame(context.missing, ['request.model', 'request.route', 'request.tools']);
});

t.test('whatever a caller sends, a context has a digest', async (t) => {
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.double(),
    fc.boolean(),
    fc.array(fc.string({ unit: 'binary' })),
    fc.constant(null),
  );
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...factTable.keys(), 'tags.x'), value), (facts) => {
      const context = contextOf(facts, [...factTable.keys(), 'tags.x']);
      return contextDigest(context) === contextDigest(JSON.parse(canonicalJson(context)));
    }),
    { numRuns: 500 },
  );
  t.pass('held');
});

t.test('a name outside the fact table is an internal error', async (t) => {
  t.throws(() => freezeContext({ phase: 'request', atMs: 1, names: ['nope'], read: () => 1 }), { code: 'internal' });
});

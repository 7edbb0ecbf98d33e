import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import type { PolicyEntry } from '../../storage/schema/snapshot.ts';
import { decisionDigest } from '../evidence/index.ts';
import { checkPolicies, compileInSteps, compilePolicies, decidePhase, engineVersion } from './index.ts';
import { anyRun, condition, contextOf, factValues, policyOf } from './test-policies.ts';

const decide = (policies: readonly PolicyEntry[], facts = {}, run = anyRun) => {
  const compiled = compilePolicies(policies);
  return decidePhase(compiled, run, contextOf(facts, [...compiled.factsNamed('request')]));
};

const warn = { action: 'warn', reason: 'careful' } as const;
const tag = (tags: Record<string, string>) => ({ action: 'tag', tags }) as const;

t.test('the policy of the README denies the models it lists and no other', async (t) => {
  const policy = policyOf({ in: [{ var: 'request.model' }, ['gpt-4']] }, { id: 'no-big-models' });
  const denied = decide([policy], { 'request.model': 'gpt-4' });
  t.match(denied, { verdict: 'deny', owner: 'policy:no-big-models@1', reason: 'no' });
  t.strictSame(denied.matched, [
    { policy: 'no-big-models', version: 1, verdict: 'deny', reason: 'no', indeterminate: false },
  ]);
  const allowed = decide([policy], { 'request.model': 'gpt-4o' });
  t.strictSame(allowed, {
    verdict: 'allow',
    owner: null,
    reason: '',
    matched: [],
    shadow: [],
    modifications: [],
    tags: {},
  });
});

t.test('the most restrictive verdict wins and ties go to the lowest policy id', async (t) => {
  const policies = [
    policyOf(true, { id: 'z-deny' }),
    policyOf(true, { id: 'b-deny', version: 3 }),
    policyOf(true, { id: 'a-warn', then: warn }),
    policyOf(true, { id: 'Z-tag', then: tag({ team: 'x' }) }),
  ];
  const decision = decide(policies);
  t.match(decision, { verdict: 'deny', owner: 'policy:b-deny@3' });
  t.strictSame(
    decision.matched.map((match) => match.policy),
    ['Z-tag', 'a-warn', 'b-deny', 'z-deny'],
  );
  t.match(decide(policies.slice(2)), {
    verdict: 'warn',
    owner: 'policy:a-warn@1',
    reason: 'careful',
    tags: { team: 'x' },
  });
});

t.test('a policy in shadow is recorded and changes nothing', async (t) => {
  const decision = decide([
    policyOf(true, { id: 'a', mode: 'shadow' }),
    policyOf(true, { id: 'b', mode: 'shadow', then: tag({ x: '1' }) }),
    policyOf({ '>': [{ var: 'request.tool_count' }, 1] }, { id: 'c', mode: 'shadow' }),
  ]);
  t.match(decision, { verdict: 'allow', owner: null, matched: [], tags: {} });
  t.match(decision.shadow, [
    { policy: 'a', verdict: 'deny', indeterminate: false },
    { policy: 'b', verdict: 'tag' },
    { policy: 'c', verdict: 'deny', indeterminate: true },
  ]);
});

t.test('a missing fact leaves the condition open and on_error decides', async (t) => {
  const when = { '>': [{ var: 'request.max_output_tokens' }, 4_000] };
  t.match(decide([policyOf(when)]), {
    verdict: 'deny',
    owner: 'policy:p@1',
    reason: 'policy p could not be decided (unknown: request.max_output_tokens)',
    matched: [{ indeterminate: true }],
  });
  const allowed = decide([policyOf(when, { on_error: 'allow' })]);
  t.match(allowed, { verdict: 'allow', owner: null, reason: '', matched: [{ verdict: 'allow', indeterminate: true }] });
  t.match(decide([policyOf(when)], { 'request.max_output_tokens': 4_000 }), { verdict: 'allow' });
  t.match(decide([policyOf({ '<': [{ var: 'request.max_output_tokens' }, 90] })]), {
    verdict: 'deny',
    matched: [{ indeterminate: true }],
  });
});

t.test(
  'a missing fact that cannot matter does not leave the condition open, nor does one with a default',
  async (t) => {
    const big = { '>': [{ var: 'request.max_output_tokens' }, 4_000] };
    const isOpenai = { '==': [{ var: 'request.provider' }, 'openai'] };
    const other = { 'request.provider': 'anthropic' };
    t.match(decide([policyOf({ and: [isOpenai, big] })], other), { verdict: 'allow', matched: [] });
    t.match(decide([policyOf({ and: [big, isOpenai] })], other), { verdict: 'allow', matched: [] });
    const noTeam = { '==': [{ var: ['tags.team', ''] }, ''] };
    t.match(decide([policyOf(noTeam)]), { verdict: 'deny', matched: [{ indeterminate: false }] });
    t.match(decide([policyOf(noTeam)], { 'tags.team': 'x' }), { verdict: 'allow' });
  },
);

t.test('arithmetic that leaves the exact integers is an open condition, not a rounded number', async (t) => {
  const facts = { 'price.worst_case_nano_usd': 9e15 };
  const overflow = { '>': [{ '*': [{ var: 'price.worst_case_nano_usd' }, 2] }, 0] };
  t.match(decide([policyOf(overflow)], facts), {
    verdict: 'deny',
    reason: 'policy p could not be decided (evaluation error)',
  });
  t.match(decide([policyOf({ or: [overflow, true] })], facts), { matched: [{ indeterminate: false, reason: 'no' }] });
  t.match(decide([policyOf({ and: [overflow, false] })], facts), { verdict: 'allow', matched: [] });
});

t.test('a policy applies only inside its scope, whose facts are in the context too', async (t) => {
  const scopes: [PolicyEntry['scope'], string[]][] = [
    [{ key: 'app' }, ['principal.key_id', 'principal.key_name']],
    [{ key: 'key_1' }, ['principal.key_id', 'principal.key_name']],
    [{ provider: 'openai', model: 'gpt-4o' }, ['request.model', 'request.provider']],
    [
      { sub_tenant: 'research', actor: 'user-a' },
      ['principal.actor_id', 'principal.actor_type', 'principal.sub_tenant'],
    ],
    [{ route: '/v1/chat/completions' }, ['request.route']],
    [{ tag: 'team' }, ['tags.team']],
    [{ tag: 'team=x' }, ['tags.team']],
  ];
  for (const [scope, names] of scopes) {
    const policies = [policyOf(true, { scope })];
    t.strictSame(compilePolicies(policies).factsNamed('request'), names);
    t.equal(decide(policies).verdict, 'deny', JSON.stringify(scope));
    const nobody = {
      sub_tenant: null,
      key: null,
      key_id: null,
      actor: null,
      provider: null,
      model: null,
      route: null,
      tags: {},
    };
    t.equal(decide(policies, {}, nobody).verdict, 'allow');
  }
  t.equal(decide([policyOf(true, { scope: { provider: 'openai', key: 'other' } })]).verdict, 'allow');
  t.equal(decide([policyOf(true, { scope: { tag: 'team=y' } })]).verdict, 'allow');
  t.equal(decide([policyOf(true, { scope: { tag: 'toString' } })]).verdict, 'allow');
});

t.test('tags of all matching tag policies are gathered, the lowest id winning a name', async (t) => {
  const decision = decide([
    policyOf(true, { id: 'b', then: tag({ team: 'b', only: 'b' }) }),
    policyOf(true, { id: 'a', then: tag({ team: 'a' }) }),
  ]);
  t.match(decision, { verdict: 'tag', owner: 'policy:a@1' });
  t.strictSame(decision.tags, { team: 'a', only: 'b' });
});

t.test('the same policies in any load order give the same facts, decision and digest', async (t) => {
  const entry = fc.record({
    when: condition,
    mode: fc.constantFrom('enforce' as const, 'shadow' as const),
    id: fc.string({ minLength: 1 }),
  });
  fc.assert(
    fc.property(
      fc.uniqueArray(entry, { selector: (e) => e.id, minLength: 2 }),
      factValues,
      fc.func(fc.nat()),
      (entries, facts, rank) => {
        const policies = entries.map(({ when, mode, id }) =>
          policyOf(when, { mode, id: Buffer.from(id).toString('hex') }),
        );
        fc.pre(checkPolicies(policies).length === 0);
        const digests = [policies, [...policies].sort((a, b) => rank(a.id) - rank(b.id))].map((order) => {
          const decision = decide(order, facts);
          const known = {
            v: 1,
            context_digest: '',
            snapshot_id: '',
            engine_version: engineVersion,
            detector_version: '',
          } as const;
          return decisionDigest({ ...known, ...decision });
        });
        return digests[0] === digests[1];
      },
    ),
    { numRuns: 200 },
  );
  t.pass('held');
});

t.test('a document of 1,000 policies compiles in steps, none of which holds up a stream', async (t) => {
  const policies = Array.from({ length: 1_000 }, (_, i) =>
    policyOf({ '>': [{ var: 'request.body_bytes' }, i] }, { id: `p${i}` }),
  );
  const steps = compileInSteps(policies);
  let yields = 0;
  for (let step = steps.next(); !step.done; step = steps.next()) yields++;
  t.equal(yields, 1_000);
  const compiled = compilePolicies(policies);
  t.equal(decidePhase(compiled, anyRun, contextOf({ 'request.body_bytes': 500 })).matched.length, 500);
});

t.test('a policy that fails its check is not compiled, and the findings say why', async (t) => {
  t.throws(() => compilePolicies([policyOf({ nope: 1 })]), {
    code: 'configuration_invalid',
    findings: [{ field: 'policies[0].when' }],
  });
  t.throws(() => compilePolicies([policyOf(true), policyOf(true)]), {
    code: 'configuration_invalid',
    findings: [{ field: 'policies[1].id' }],
  });
});

t.test('the engine version names the engine that is installed', async (t) => {
  const path = new URL('../../package.json', import.meta.resolve('json-logic-engine'));
  const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version: string };
  const re2 = new URL('../package.json', import.meta.resolve('re2js'));
  const { version: re2Version } = JSON.parse(readFileSync(re2, 'utf8')) as { version: string };
  t.equal(engineVersion, `hoc-rules-2/json-logic-engine-${version}/re2js-${re2Version}`);
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import type { FactValue } from '../../storage/schema/decision.ts';
import { checkPolicies, compareOpinions, compilePolicies, decidePhase } from './index.ts';
import { anyCondition, anyRun, condition, contextOf, factValues, policyOf } from './test-policies.ts';

/** What a deny policy with this condition comes to: true and false by the condition, null where it was left open. */
function decide(when: unknown, facts: Record<string, FactValue>): boolean | null {
  const compiled = compilePolicies([policyOf(when)]);
  const decision = decidePhase(compiled, anyRun, contextOf(facts, [...compiled.factsNamed('request')]));
  return decision.matched[0]?.indeterminate ? null : decision.verdict === 'deny';
}

t.test('json-logic-js comes to the same on every condition and context that both engines support', async (t) => {
  const seen = { agrees: 0, disagrees: 0, not_comparable: 0 };
  const reasons = new Map<string, number>();
  fc.assert(
    fc.property(anyCondition, factValues, fc.func(fc.boolean()), fc.boolean(), (when, facts, absent, all) => {
      const policy = policyOf(when);
      fc.pre(checkPolicies([policy]).length === 0);
      const known = Object.fromEntries(Object.entries(facts).filter(([name]) => all || !absent(name)));
      const context = contextOf(known, [...compilePolicies([policy]).factsNamed('request')]);
      const comparison = compareOpinions(policy, context);
      seen[comparison.result]++;
      if (comparison.result === 'not_comparable') reasons.set(comparison.why, (reasons.get(comparison.why) ?? 0) + 1);
      if (comparison.result === 'disagrees') t.fail(JSON.stringify({ when, facts: known, comparison }));
      // The verdict of the policy is the truth that was compared.
      if (comparison.result === 'agrees') assert.equal(decide(when, known), comparison.ours);
    }),
    { numRuns: 4_000 },
  );
  t.ok(seen.agrees > 900, JSON.stringify(seen));
  t.comment(JSON.stringify([...reasons].sort((a, b) => b[1] - a[1])));
});

t.test(
  'a missing fact never flips a verdict: what three-valued logic decides, every value of that fact decides',
  async (t) => {
    let open = 0;
    let decided = 0;
    fc.assert(
      fc.property(condition, factValues, factValues, fc.func(fc.boolean()), (when, facts, other, absent) => {
        fc.pre(checkPolicies([policyOf(when)]).length === 0);
        const known = Object.fromEntries(Object.entries(facts).filter(([name]) => !absent(name)));
        const verdict = decide(when, known);
        if (verdict === null) {
          open++;
          return;
        }
        decided++;
        const completed = decide(when, { ...other, ...known });
        if (completed !== null && completed !== verdict) t.fail(JSON.stringify({ when, facts, known }));
      }),
      { numRuns: 2_500 },
    );
    t.ok(open > 100 && decided > 100, `${open} open, ${decided} decided`);
  },
);

t.test('the order of and, or does not matter, also where facts are missing', async (t) => {
  fc.assert(
    fc.property(
      fc.array(condition, { minLength: 2, maxLength: 4 }),
      fc.constantFrom('and', 'or'),
      factValues,
      (parts, operator, facts) => {
        const known = Object.fromEntries(Object.entries(facts).slice(0, 3));
        const forth = { [operator]: parts };
        const back = { [operator]: [...parts].reverse() };
        fc.pre(checkPolicies([policyOf(forth)]).length === 0);
        return decide(forth, known) === decide(back, known);
      },
    ),
    { numRuns: 500 },
  );
  t.pass('held');
});

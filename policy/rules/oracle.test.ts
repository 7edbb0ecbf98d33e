import fc from 'fast-check';
import jsonLogic from 'json-logic-js';
import t from 'tap';
import type { FactValue } from '../../storage/schema/decision.ts';
import { checkPolicies, compilePolicies, decideRequest } from './index.ts';
import { anyRun, condition, contextOf, factValues, policyOf } from './test-policies.ts';

jsonLogic.add_operation('contains', (list: string | string[], item: string) => list !== '' && list.includes(item));
jsonLogic.add_operation('startsWith', (text: string, part: string) => text.startsWith(part));
jsonLogic.add_operation('endsWith', (text: string, part: string) => text.endsWith(part));

/** The nested data that json-logic-js reads dotted names from. */
function nest(facts: Record<string, FactValue>): Record<string, Record<string, FactValue>> {
  const data: Record<string, Record<string, FactValue>> = {};
  for (const [name, value] of Object.entries(facts)) {
    const [group = '', field = ''] = name.split('.');
    data[group] = { ...data[group], [field]: value };
  }
  return data;
}

/** What a deny policy with this condition comes to: true and false by the condition, null where it was left open. */
function decide(when: unknown, facts: Record<string, FactValue>): boolean | null {
  const compiled = compilePolicies([policyOf(when)]);
  const decision = decideRequest(compiled, anyRun, contextOf(facts, [...compiled.factsNamed('request')]));
  return decision.matched[0]?.indeterminate ? null : decision.verdict === 'deny';
}

t.test('json-logic-js comes to the same on every condition and context without missing facts', async (t) => {
  let compared = 0;
  fc.assert(
    fc.property(condition, factValues, (when, facts) => {
      fc.pre(checkPolicies([policyOf(when)]).length === 0);
      const verdict = decide(when, facts);
      // Null: arithmetic left the exact integers, where json-logic-js goes on with rounded numbers.
      if (verdict === null) return;
      compared++;
      const expected = Boolean(jsonLogic.apply(when as jsonLogic.RulesLogic, nest(facts)));
      if (verdict !== expected) t.fail(JSON.stringify({ when, facts, verdict, expected }));
    }),
    { numRuns: 2_500 },
  );
  t.ok(compared > 2_000, `${compared} comparisons`);
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

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import type { PolicyEntry } from '../../storage/schema/snapshot.ts';
import { checkExpression } from './check-condition.ts';
import { buildEvaluate, frameOf } from './engine.ts';
import { visit } from './expression.ts';
import { factsOf } from './facts.ts';
import { checkPolicies, compilePolicies, decidePhase } from './index.ts';
import { type Measure, maxWork, measure } from './measure.ts';
import { anyCondition, anyRun, contextOf, factValues, policyOf } from './test-policies.ts';

interface Hostile {
  name: string;
  when: unknown;
  /** Part of the reason; null where the condition is harmless and decides. */
  refused: string | null;
}

const corpus = JSON.parse(
  readFileSync(new URL('./fixtures/hostile-policies.json', import.meta.url), 'utf8'),
) as Hostile[];

/** Facts at the longest that a context holds, made to keep searches and expressions busy. */
const longestFacts = {
  'request.model': 'a'.repeat(4_096),
  'request.provider': 'a'.repeat(256),
  'request.tools': Array.from({ length: 1_024 }, () => 'a'.repeat(64)),
  'request.max_output_tokens': 9e15,
  'request.body_bytes': 9e15,
  'request.text': 'a'.repeat(4_096),
  'request.text matches "(x+x+)+y"': false,
};

function decide(when: unknown) {
  const compiled = compilePolicies([policyOf(when)]);
  const names = [...compiled.factsNamed('request')];
  return decidePhase(compiled, anyRun, contextOf(longestFacts, names));
}

t.test('every policy of the hostile corpus is refused for its reason, or decides', async (t) => {
  for (const { name, when, refused } of corpus) {
    const findings = checkPolicies([policyOf(when)]);
    if (refused === null) {
      t.strictSame(findings, [], name);
      t.ok(['allow', 'deny'].includes(decide(when).verdict), name);
      continue;
    }
    t.ok(
      findings.some((finding) => finding.message.includes(refused) && finding.field.startsWith('policies[0].when')),
      `${name}: ${findings[0]?.message.slice(0, 120)}`,
    );
  }
  t.ok(corpus.length > 80);
  t.equal(({} as Record<string, unknown>).polluted, undefined);
});

/** What no JSON text gives, but a caller inside the process could. */
const unusual: readonly (readonly [string, () => unknown])[] = [
  ['a getter', () => Object.defineProperty({}, 'and', { enumerable: true, get: () => [true] })],
  ['a getter that throws', () => Object.defineProperty({}, 'and', { enumerable: true, get: () => process.exit(1) })],
  [
    'a proxy that throws',
    () =>
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error('no');
          },
        },
      ),
  ],
  [
    'a proxy without a prototype it would tell',
    () =>
      new Proxy(
        {},
        {
          getPrototypeOf: () => {
            throw new Error('no');
          },
        },
      ),
  ],
  [
    'a revoked proxy',
    () => {
      const made = Proxy.revocable({}, {});
      made.revoke();
      return made.proxy;
    },
  ],
  [
    'a revoked list',
    () => {
      const made = Proxy.revocable([], {});
      made.revoke();
      return { and: made.proxy };
    },
  ],
  ['toJSON', () => ({ toJSON: () => true })],
  ['a sparse list', () => ({ and: Object.assign([], { length: 3 }) })],
  ['a sparse list of four billion', () => ({ and: Object.assign([], { length: 4_294_967_295 }) })],
  ['a sparse list of four billion as value', () => ({ in: ['x', Object.assign([], { length: 4_294_967_295 })] })],
  ['a sparse list of names', () => ({ '!!': { missing: [Object.assign([], { length: 9 })] } })],
  [
    'a class instance',
    () =>
      new (class {
        and = [true];
      })(),
  ],
  ['a map', () => new Map([['and', [true]]])],
  ['a boxed boolean', () => Object(true)],
  ['a symbol', () => Symbol('x')],
  ['NaN', () => ({ '==': [Number.NaN, 1] })],
  ['infinity', () => ({ '<': [1, Number.POSITIVE_INFINITY] })],
  ['a bigint', () => ({ '==': [1n, 1] })],
  [
    'a cycle',
    () => {
      const a: Record<string, unknown> = {};
      a.and = [a];
      return a;
    },
  ],
];

t.test('what JSON cannot hold is refused and never throws', async (t) => {
  for (const [name, make] of unusual) t.ok(checkPolicies([policyOf(make())]).length > 0, name);
  const fields: (keyof PolicyEntry)[] = ['id', 'version', 'phase', 'mode', 'scope', 'then', 'on_error'];
  for (const field of fields) {
    for (const [name, make] of unusual) {
      const policy = { ...policyOf(true), [field]: make() } as unknown as PolicyEntry;
      t.ok(checkPolicies([policy]).length > 0, `${name} as ${field}`);
    }
  }
  for (const [name, make] of unusual) t.ok(checkPolicies([make() as PolicyEntry]).length > 0, `${name} as policy`);
});

t.test('a policy that changes after its check decides as it was checked', async (t) => {
  const policy = {
    ...policyOf({ '==': [{ var: 'request.model' }, 'x'] }),
    then: { action: 'deny', reason: 'no' },
  } as PolicyEntry;
  const compiled = compilePolicies([policy]);
  Object.assign(policy, { when: true, scope: { key: 'other' } });
  Object.assign(policy.then, { reason: 'changed' });
  const decision = decidePhase(compiled, anyRun, contextOf({ 'request.model': 'x' }));
  t.match(decision, { verdict: 'deny', reason: 'no' });
});

/** The value with every look into it counted. */
function counting(value: unknown): { value: unknown; looks: () => number } {
  let looks = 0;
  const wrap = (inner: unknown): unknown => {
    if (typeof inner !== 'object' || inner === null) return inner;
    return new Proxy(inner, {
      ownKeys: (target) => {
        looks++;
        return Reflect.ownKeys(target);
      },
      get: (target, key) => {
        looks++;
        return wrap(Reflect.get(target, key));
      },
      getOwnPropertyDescriptor: (target, key) => {
        looks++;
        const found = Reflect.getOwnPropertyDescriptor(target, key);
        return found === undefined || !('value' in found) || found.configurable === false
          ? found
          : { ...found, value: wrap(found.value) };
      },
    });
  };
  return { value: wrap(value), looks: () => looks };
}

function nest(depth: number, leaf: unknown, wrap: (inner: unknown) => unknown): unknown {
  let node = leaf;
  for (let i = 0; i < depth; i++) node = wrap(node);
  return node;
}

t.test('however large a condition is, the checker looks at a bounded part of it', async (t) => {
  const large: readonly (readonly [string, unknown])[] = [
    ['depth 20,000', nest(20_000, true, (inner) => ({ '!': [inner] }))],
    ['depth 20,000 in lists', nest(20_000, true, (inner) => [inner])],
    ['40 doublings', nest(40, true, (inner) => ({ and: [inner, inner] }))],
    ['40 times 64', nest(40, true, (inner) => ({ or: Array(64).fill(inner) }))],
    ['a million arguments', { and: Array(1_000_000).fill(true) }],
    ['a list of a million', { in: ['x', Array(1_000_000).fill('x')] }],
    ['lists of 1,000 in 256 parts', { and: Array(64).fill({ in: ['x', Array(1_000).fill('x')] }) }],
    ['a mixed list of a million', { in: ['x', Array(1_000_000).fill({ and: [true] })] }],
  ];
  for (const [name, when] of large) {
    const counted = counting(when);
    t.ok(checkExpression(counted.value, 'request', factsOf()).ok === name.startsWith('lists of 1,000'), name);
    t.ok(counted.looks() < 200_000, `${name}: ${counted.looks()} looks`);
  }
});

t.test(
  'no part of a condition makes more than was foreseen when it was checked, and its work is within the bound',
  async (t) => {
    let parts = 0;
    fc.assert(
      fc.property(anyCondition, factValues, (when, facts) => {
        const checked = checkExpression(when, 'request', factsOf());
        if (!checked.ok) return;
        if (checked.work > maxWork) t.fail(JSON.stringify(when));
        const names = Object.keys(facts);
        const frame = frameOf(contextOf(facts, names));
        visit(checked.expression, (part) => {
          if (part.kind !== 'call' || holdsItem(part)) return;
          const foreseen = measureWhole(part);
          const value = attempt(() => buildEvaluate(part)(frame));
          parts++;
          const made = sizeOf(value);
          if (made.characters > foreseen.characters[1] || made.items > foreseen.items)
            t.fail(JSON.stringify({ when, made, foreseen }));
        });
      }),
      { numRuns: 600 },
    );
    t.ok(parts > 1_000, `${parts} parts`);
  },
);

const measureWhole = (part: Parameters<typeof measure>[0]): Measure => measure(part, measureWhole);

function holdsItem(part: Parameters<typeof measure>[0]): boolean {
  if (part.kind === 'item') return true;
  return part.kind === 'call' && part.args.some(holdsItem);
}

function attempt(run: () => unknown): unknown {
  try {
    return run();
  } catch {
    return null;
  }
}

function sizeOf(value: unknown): { characters: number; items: number } {
  if (Array.isArray(value)) return { characters: value.join('').length, items: value.length };
  return { characters: typeof value === 'string' ? value.length : 0, items: 0 };
}

t.test('refusing or deciding a hostile policy takes less than 5 ms', async (t) => {
  const policies = [
    ...corpus,
    { name: 'depth 20,000', when: nest(20_000, true, (inner) => ({ '!': inner })) },
    { name: '40 doublings', when: nest(40, true, (inner) => ({ and: [inner, inner] })) },
  ];
  for (const { name, when } of policies) {
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      const isRefused = checkPolicies([policyOf(when)]).length > 0;
      const checkedAt = performance.now();
      // Compiling happens once, when a document is loaded; what a run waits for is the decision.
      if (isRefused) return checkedAt - start;
      const compiled = compilePolicies([policyOf(when)]);
      const context = contextOf(longestFacts, [...compiled.factsNamed('request')]);
      const decidedFrom = performance.now();
      decidePhase(compiled, anyRun, context);
      return performance.now() - decidedFrom;
    });
    const median = times.sort((a, b) => a - b)[2] ?? 0;
    t.ok(median < 5, `${name}: ${median.toFixed(2)} ms`);
  }
});

t.test('policies that are cheap one by one are refused where together they are not', async (t) => {
  const when = { or: Array(60).fill({ contains: [{ var: 'request.model' }, 'x'.repeat(250)] }) };
  const policies = Array.from({ length: 6 }, (_, i) => policyOf(when, { id: `p${i}` }));
  t.strictSame(checkPolicies(policies.slice(0, 3)), []);
  t.match(checkPolicies(policies), [{ field: 'policies[4].when', message: /together take too much work/ }]);
  const scans = Array.from({ length: 260 }, (_, i) =>
    policyOf({ contains: [{ var: 'request.text' }, `x${i}`] }, { id: `s${i}` }),
  );
  t.match(checkPolicies(scans), [{ field: 'policies[256].when', message: /more than 256 scans/ }]);
});

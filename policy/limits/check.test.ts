import t from 'tap';
import type { LimitEntry, LimitOverride } from '../../storage/schema/snapshot.ts';
import { checkLimits, compileLimits } from './index.ts';
import { cap, concurrency, limit, money, nowMs, tokens } from './test-limits.ts';

const hourMs = 3_600_000;

t.test('every mistake in a limit is named with its place', (t) => {
  const bad = {
    id: 'bad id',
    kind: 'budget',
    ceiling: '9000000000000001',
    window: '1s',
    align: 'rolling',
    by: ['team', 'key', 'key', 'tag:'],
    match: { sub_tenant: '', who: 'x', tag: '=x', model: 'gpt-*', route: '/v1/*' },
    near: 0,
    unbounded: { ceiling_nano_usd: '0' },
    unpriced: 'allow',
    when_redis_is_down: 'maybe',
    overrides: 'none',
  } as unknown as LimitEntry;
  const findings = checkLimits([limit({ id: 'a' }), bad, limit({ id: 'a' })], (index) => `tenants[0].limits[${index}]`);
  t.strictSame(
    findings.map(({ field }) => field.replace('tenants[0].limits', '')),
    [
      '[1].id',
      '[1].kind',
      '[1].ceiling',
      '[1].window',
      '[1].by[0]',
      '[1].by[2]',
      '[1].by[3]',
      '[1].match.sub_tenant',
      '[1].match.who',
      '[1].match.tag',
      '[1].match.model',
      '[1].match.route',
      '[1].near',
      '[1].unbounded',
      '[1].unpriced',
      '[1].when_redis_is_down',
      '[1].overrides',
      '[2].id',
    ],
  );
  t.throws(() => compileLimits([bad]), { code: 'configuration_invalid' });
  t.end();
});

t.test('every kind is accepted in its own form', (t) => {
  const good = [
    limit({ id: 'a', when_redis_is_down: 'local' }),
    money({ id: 'b', unbounded: { ceiling_nano_usd: '1' }, unpriced: { ceiling_nano_usd: '1' } }),
    tokens({ id: 'c', unit: 'input_tokens', unbounded: { ceiling_tokens: '1' } }),
    concurrency({ id: 'd', when_redis_is_down: 'allow' }),
    cap({ id: 'e' }),
    cap({ id: 'f', unit: 'nano_usd', unbounded: { ceiling_nano_usd: '1' } }),
    cap({ id: 'g', unit: 'milliseconds', ceiling: '604800000' }),
  ];
  t.strictSame(checkLimits(good), []);
  t.equal(compileLimits(good).length, good.length);
  t.end();
});

const wrong: readonly [what: string, entry: LimitEntry, field: string, message: RegExp][] = [
  ['an alignment nobody knows', limit({ id: 'a', align: 'sideways' as 'rolling' }), 'align', /calendar or rolling/],
  [
    'tokens that do not say which',
    limit({ id: 'a', kind: 'tokens' }),
    'unit',
    /total_tokens, input_tokens, output_tokens/,
  ],
  ['a cap that does not say of what', cap({ id: 'a', unit: 'requests' }), 'unit', /nano_usd.*milliseconds/],
  ['a unit that contradicts its kind', limit({ id: 'a', unit: 'nano_usd' }), 'unit', /expected nothing/],
  ['concurrency over a window', concurrency({ id: 'a', window: '1m' }), 'window', /expected none/],
  ['a cap over a window', cap({ id: 'a', window: '1m' }), 'window', /expected none/],
  ['a duration that no timer holds', cap({ id: 'a', unit: 'milliseconds', ceiling: '604800001' }), 'ceiling', /a week/],
  ['a ceiling of nothing', tokens({ id: 'a', ceiling: '0' }), 'ceiling', /1 to 9e15/],
  ['an amount over what is counted', money({ id: 'a', ceiling: '9000000000000001' }), 'ceiling', /\$9,000,000/],
  [
    'dollars where tokens are counted',
    tokens({ id: 'a', unbounded: { ceiling_nano_usd: '1' } }),
    'unbounded',
    /tokens/,
  ],
  ['tokens where dollars are counted', money({ id: 'a', unbounded: { ceiling_tokens: '1' } }), 'unbounded', /\$/],
  [
    'a local share of money',
    money({ id: 'a', when_redis_is_down: 'local' }),
    'when_redis_is_down',
    /kind requests only.*refuse or allow/,
  ],
];

for (const [what, entry, field, message] of wrong) {
  t.test(`${what}: refused with what is expected`, (t) => {
    t.match(checkLimits([entry]), [{ field: `limits[0].${field}`, message }]);
    t.equal(checkLimits([entry]).length, 1);
    t.end();
  });
}

function override(fields: Partial<LimitOverride>): LimitOverride {
  return { id: 'o', ceiling: '900', from_ms: nowMs, until_ms: nowMs + hourMs, reason: 'launch', ...fields };
}

const wrongOverrides: readonly [what: string, overrides: LimitOverride[], field: string, message: RegExp][] = [
  ['lasts 168 hours and a moment', [override({ until_ms: nowMs + 168 * hourMs + 1 })], '[0].until_ms', /168 hours/],
  ['ends when it begins', [override({ until_ms: nowMs })], '[0].until_ms', /ends before it begins/],
  ['has no reason', [override({ reason: ' ' })], '[0].reason', /a reason of 1 to 500/],
  ['has no ceiling', [override({ ceiling: '0' })], '[0].ceiling', /1 to 9e15/],
  ['has no instants', [override({ from_ms: Number.NaN })], '[0].from_ms', /instant/],
  ['has the id of another', [override({}), override({})], '[1].id', /stands twice/],
  [
    'is in force with another',
    [override({ until_ms: nowMs + 2 }), override({ id: 'p', from_ms: nowMs + 1 })],
    '[1]',
    /together with override "o": expected one at a time/,
  ],
];

for (const [what, overrides, field, message] of wrongOverrides) {
  t.test(`an override that ${what} is refused`, (t) => {
    t.match(checkLimits([limit({ id: 'a', overrides })]), [{ field: `limits[0].overrides${field}`, message }]);
    t.end();
  });
}

t.test('overrides of 168 hours that follow each other are accepted', (t) => {
  const week = 168 * hourMs;
  const first = override({ until_ms: nowMs + week });
  const second = override({ id: 'p', from_ms: nowMs + week, until_ms: nowMs + 2 * week });
  t.strictSame(checkLimits([limit({ id: 'a', overrides: [second, first] })]), []);
  t.end();
});

import t from 'tap';
import { Compile } from 'typebox/compile';
import { configurationSchema } from '../../contract/configuration.ts';
import { checkConfiguration } from './check.ts';
import { readLimitDefaults, readLimitEntry } from './limit-entries.ts';
import { readTenantSettings } from './tenant-settings.ts';

function fileOf(limit: string, tenant = ''): string {
  return `tenants:\n  - slug: acme\n    subTenants: [{ slug: research }]\n${tenant}    limits:\n      - { id: l, ${limit} }\n`;
}

function check(text: string) {
  return checkConfiguration({ file: 'hoc.yaml', text, secrets: new Map(), secretsMustExist: false });
}

/** The limit of a good file as proxies get it. */
function read(limit: string, tenant = '') {
  const checked = check(fileOf(limit, tenant));
  if (!checked.ok) throw new Error(JSON.stringify(checked.findings));
  const [configuration] = checked.configuration.tenants;
  const [first] = configuration?.limits ?? [];
  if (configuration === undefined || first === undefined) throw new Error('no limit');
  return readLimitEntry(first, readLimitDefaults(configuration));
}

const day = 'window: 1d';
const until = 'until: 2027-01-02T00:00:00Z, reason: "launch"';

t.test('every kind of limit is read as proxies get it', async (t) => {
  const common = { align: 'calendar', by: [], match: {}, near: 80, unbounded: 'refuse', unpriced: 'refuse' };
  t.same(read(`kind: requests, ceiling: 5, ${day}`), {
    ...common,
    id: 'l',
    kind: 'requests',
    ceiling: '5',
    window: '1d',
    when_redis_is_down: 'local',
  });
  t.match(read(`kind: tokens, ceiling: 5, ${day}`), { unit: 'total_tokens', when_redis_is_down: 'refuse' });
  t.match(read(`kind: tokens, counts: input, ceiling: 9000000000000000, ${day}, unbounded: { ceilingTokens: 7 }`), {
    unit: 'input_tokens',
    ceiling: '9000000000000000',
    unbounded: { ceiling_tokens: '7' },
  });
  t.same(read('kind: concurrency, ceiling: 5'), {
    ...common,
    id: 'l',
    kind: 'concurrency',
    ceiling: '5',
    window: '',
    when_redis_is_down: 'refuse',
  });
  t.match(read(`kind: money, ceilingUsd: 0.1, ${day}, unpriced: { ceilingUsd: 0.000000001 }`), {
    ceiling: '100000000',
    unpriced: { ceiling_nano_usd: '1' },
  });
  t.match(read('kind: cap, ceilingUsd: "1", unbounded: { ceilingUsd: 2 }'), {
    unit: 'nano_usd',
    unbounded: { ceiling_nano_usd: '2000000000' },
  });
  t.match(read('kind: cap, ceilingTokens: 5, counts: output'), { unit: 'output_tokens', ceiling: '5', window: '' });
  t.match(read('kind: cap, ceilingMs: 60000'), { unit: 'milliseconds', ceiling: '60000' });
  t.match(read(`kind: requests, ceiling: 5, ${day}, match: { subTenant: research }`), {
    match: { sub_tenant: 'research' },
  });
});

t.test('what a tenant states holds for each kind as far as it can', async (t) => {
  const tenant = [
    '    unbounded: { ceilingUsd: 1, ceilingTokens: 2 }',
    '    unpriced: { ceilingUsd: 3 }',
    '    whenRedisIsDown: local',
    '',
  ].join('\n');
  t.match(read(`kind: money, ceilingUsd: 5, ${day}`, tenant), {
    unbounded: { ceiling_nano_usd: '1000000000' },
    unpriced: { ceiling_nano_usd: '3000000000' },
    when_redis_is_down: 'refuse',
  });
  t.match(read(`kind: tokens, ceiling: 5, ${day}`, tenant), { unbounded: { ceiling_tokens: '2' }, unpriced: 'refuse' });
  t.match(read(`kind: requests, ceiling: 5, ${day}`, tenant), { unbounded: 'refuse', when_redis_is_down: 'local' });
  const allow = '    whenRedisIsDown: allow\n';
  t.match(read(`kind: requests, ceiling: 5, ${day}`, allow), { when_redis_is_down: 'allow' });
  t.match(read(`kind: requests, ceiling: 5, ${day}, whenRedisIsDown: refuse`, allow), { when_redis_is_down: 'refuse' });
  const onlyUsd = '    unbounded: { ceilingUsd: 1 }\n';
  t.match(read(`kind: tokens, ceiling: 5, ${day}`, onlyUsd), { unbounded: 'refuse' });
});

t.test('an override states its ceiling in the field of its limit', async (t) => {
  const from = 'from: 2027-01-01';
  const span = { from_ms: Date.UTC(2027, 0, 1), until_ms: Date.UTC(2027, 0, 2), reason: 'launch' };
  t.same(read(`kind: requests, ceiling: 5, ${day}, overrides: [{ id: o, ceiling: 9, ${from}, ${until} }]`).overrides, [
    { id: 'o', ceiling: '9', ...span },
  ]);
  t.match(read(`kind: cap, ceilingUsd: 5, overrides: [{ id: o, ceilingUsd: 9.5, ${from}, ${until} }]`).overrides, [
    { ceiling: '9500000000' },
  ]);
  t.match(read(`kind: cap, ceilingMs: 5, overrides: [{ id: o, ceilingMs: 9, ${until} }]`).overrides, [
    { ceiling: '9', from_ms: span.until_ms - 1 },
  ]);
  t.notOk('overrides' in read(`kind: requests, ceiling: 5, ${day}, overrides: []`));
});

const mistakes: readonly [what: string, limit: string, field: string, expect: RegExp][] = [
  ['tokens without a ceiling', `kind: tokens, ${day}`, 'ceiling', /kind tokens needs `ceiling`/],
  ['tokens in dollars', `kind: tokens, ceilingUsd: 5, ${day}`, 'ceilingUsd', /takes `ceiling`/],
  ['tokens without a window', 'kind: tokens, ceiling: 5', 'window', /Missing: expected a window/],
  ['a class of tokens nobody knows', `kind: tokens, ceiling: 5, counts: cached, ${day}`, 'counts', /`input`, `output`/],
  ['a request that counts tokens', `kind: requests, ceiling: 5, counts: input, ${day}`, 'counts', /Only kind tokens/],
  ['a cap on cost that counts tokens', 'kind: cap, ceilingUsd: 5, counts: input', 'counts', /Only kind tokens/],
  [
    'concurrency over a window',
    `kind: concurrency, ceiling: 5, ${day}`,
    'window',
    /over no window; expected no `window`/,
  ],
  ['concurrency that is aligned', 'kind: concurrency, ceiling: 5, align: rolling', 'align', /expected no `align`/],
  ['a cap over a window', `kind: cap, ceilingUsd: 5, ${day}`, 'window', /for each run by itself.*expected no `window`/],
  ['a cap of nothing', 'kind: cap', 'ceilingUsd', /exactly one of `ceilingUsd`, `ceilingTokens`, `ceilingMs`/],
  ['a cap of two things', 'kind: cap, ceilingUsd: 5, ceilingMs: 5', 'ceilingMs', /exactly one of.*this is another/],
  ['a cap with a bare ceiling', 'kind: cap, ceiling: 5', 'ceiling', /exactly one of/],
  ['a cap longer than a week', 'kind: cap, ceilingMs: 604800001', 'ceilingMs', /1 to 604800000/],
  ['a ceiling of nothing', `kind: requests, ceiling: 0, ${day}`, 'ceiling', /from 1 to/],
  ['a ceiling of no dollars', `kind: money, ceilingUsd: 0, ${day}`, 'ceilingUsd', /from \$0.000000001/],
  ['more dollars than are counted', `kind: money, ceilingUsd: "9000000.1", ${day}`, 'ceilingUsd', /to \$9,000,000/],
  ['unbounded requests', `kind: requests, ceiling: 5, ${day}, unbounded: refuse`, 'unbounded', /never unbounded/],
  ['an unbounded duration', 'kind: cap, ceilingMs: 5, unbounded: { ceilingTokens: 5 }', 'unbounded', /never unbounded/],
  [
    'unbounded money in tokens',
    `kind: money, ceilingUsd: 5, ${day}, unbounded: { ceilingTokens: 5 }`,
    'unbounded.ceilingTokens',
    /takes `ceilingUsd`/,
  ],
  [
    'unbounded tokens in dollars',
    `kind: tokens, ceiling: 5, ${day}, unbounded: { ceilingUsd: 5 }`,
    'unbounded.ceilingUsd',
    /takes `ceilingTokens`/,
  ],
  [
    'an unbounded that states nothing',
    `kind: money, ceilingUsd: 5, ${day}, unbounded: {}`,
    'unbounded.ceilingUsd',
    /needs `ceilingUsd`/,
  ],
  [
    'unpriced tokens',
    `kind: tokens, ceiling: 5, ${day}, unpriced: { ceilingUsd: 5 }`,
    'unpriced',
    /No price is needed/,
  ],
  ['a cap that asks for Redis', 'kind: cap, ceilingMs: 5, whenRedisIsDown: allow', 'whenRedisIsDown', /without Redis/],
  ['a mode nobody knows', `kind: requests, ceiling: 5, ${day}, whenRedisIsDown: wait`, 'whenRedisIsDown', /`local`/],
  [
    'a local share of money',
    `kind: money, ceilingUsd: 5, ${day}, whenRedisIsDown: local`,
    'whenRedisIsDown',
    /requests only/,
  ],
  [
    'a pattern for a model',
    `kind: requests, ceiling: 5, ${day}, match: { model: "gpt-*" }`,
    'match.model',
    /exact model/,
  ],
  [
    'a sub-tenant nobody knows',
    `kind: requests, ceiling: 5, ${day}, match: { subTenant: x }`,
    'match.subTenant',
    /subTenants/,
  ],
  ['a split twice', `kind: requests, ceiling: 5, ${day}, by: [key, key]`, 'by[1]', /stands twice/],
  ['a percentage over 100', `kind: requests, ceiling: 5, ${day}, near: 101`, 'near', /1 to 100/],
];

const overrideMistakes: readonly [what: string, overrides: string, field: string, expect: RegExp][] = [
  ['without an end', '{ id: o, ceiling: 5, reason: x }', '[0].until', /Missing: `until`/],
  ['without a reason', '{ id: o, ceiling: 5, until: 2027-01-02 }', '[0].reason', /Missing: `reason`/],
  ['without a ceiling', `{ id: o, ${until} }`, '[0].ceiling', /an override of this limit needs `ceiling`/],
  ['in another unit', `{ id: o, ceilingUsd: 5, ${until} }`, '[0].ceilingUsd', /takes `ceiling`/],
  ['of a ceiling of nothing', `{ id: o, ceiling: 0, ${until} }`, '[0].ceiling', /from 1 to/],
  ['that ends on no day', '{ id: o, ceiling: 5, until: 2027-02-30, reason: x }', '[0].until', /No such instant/],
  ['that begins on no day', `{ id: o, ceiling: 5, from: 2026-02-30, ${until} }`, '[0].from', /No such instant/],
  ['that ends before it begins', `{ id: o, ceiling: 5, from: 2027-01-03, ${until} }`, '[0].until', /ends before/],
  ['of more than 168 hours', `{ id: o, ceiling: 5, from: 2026-12-25, ${until} }`, '[0].until', /168 hours/],
  [
    'that has the id of another',
    `{ id: o, ceiling: 5, from: 2027-01-01, ${until} }, { id: o, ceiling: 5, from: 2027-01-02, until: 2027-01-03, reason: x }`,
    '[1].id',
    /stands twice/,
  ],
  [
    'that overlaps another',
    `{ id: o, ceiling: 5, from: 2027-01-01, ${until} }, { id: p, ceiling: 5, from: 2027-01-01T23:59:59Z, until: 2027-01-03, reason: x }`,
    '[1]',
    /together with override "o"/,
  ],
];

for (const [what, limit, field, expect] of [
  ...mistakes,
  ...overrideMistakes.map(
    ([what, overrides, field, expect]) =>
      [
        `an override ${what}`,
        `kind: requests, ceiling: 5, ${day}, overrides: [${overrides}]`,
        `overrides${field}`,
        expect,
      ] as const,
  ),
]) {
  t.test(`${what} is named with its line, field and expectation`, async (t) => {
    const checked = check(fileOf(limit));
    if (checked.ok) throw new Error('the mistake was not found');
    const finding = checked.findings.find((each) => each.field === `tenants[0].limits[0].${field}`);
    t.match(finding, { line: 5, message: expect }, JSON.stringify(checked.findings));
  });
}

t.test('a mistake in what a tenant states is named once', async (t) => {
  t.match(check(fileOf('kind: cap, ceilingMs: 5', '    unbounded: {}\n')), {
    ok: false,
    findings: [{ line: 4, field: 'tenants[0].unbounded', message: /`ceilingUsd`, `ceilingTokens` or both/ }],
  });
  t.match(check(fileOf('kind: cap, ceilingMs: 5', '    maxOutputTokens: 0\n')), {
    ok: false,
    findings: [{ line: 4, field: 'tenants[0].maxOutputTokens', message: /tokens from 1/ }],
  });
});

t.test('an output cap of the tenant goes into its policy document, and is absent where none is stated', async (t) => {
  t.same(readTenantSettings({ slug: 'acme', maxOutputTokens: 4096 }), { max_output_tokens: 4096 });
  t.same(readTenantSettings({ slug: 'acme' }), {});
});

t.test('the published schema takes every kind of limit', async (t) => {
  const schema = Compile(configurationSchema);
  const fits = (limit: object) => schema.Check({ tenants: [{ slug: 'acme', limits: [{ id: 'l', ...limit }] }] });
  t.ok(fits({ kind: 'tokens', ceiling: 5, counts: 'output', window: '1d', unbounded: { ceilingTokens: 5 } }));
  t.ok(fits({ kind: 'cap', ceilingMs: 5, overrides: [{ id: 'o', ceilingMs: 6, until: '2027-01-02', reason: 'x' }] }));
  t.notOk(fits({ kind: 'money', ceilingUsd: '5', window: '1d', unbounded: {} }));
});

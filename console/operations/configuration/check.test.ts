import fc from 'fast-check';
import t from 'tap';
import { parse } from 'yaml';
import { parseInstant, parseUsd } from './amounts.ts';
import { checkConfiguration } from './check.ts';

const good = `tenants:
  - slug: acme
    subTenants: [{ slug: research }]
    capture: full
    providers:
      - { slug: openai, baseUrl: "https://api.openai.com" }
    keys:
      - { name: app, secretEnv: HOC_KEY_APP, provider: openai }
      - { name: ops, secretEnv: HOC_KEY_OPS }
    policies:
      - { id: small, when: { "==": [{ "var": "request.model" }, "gpt-4"] }, then: { action: deny, reason: "no" } }
    limits:
      - { id: rpm, kind: requests, ceiling: 600, window: 1m, align: rolling, by: [key] }
      - { id: budget, kind: money, ceilingUsd: "50", window: 1mo, align: calendar }
`;

const secrets = { HOC_KEY_APP: 'a'.repeat(32), HOC_KEY_OPS: 'b'.repeat(32) };

function check(text: string, given: Record<string, string> = secrets, secretsMustExist = true) {
  return checkConfiguration({ file: 'hoc.yaml', text, secrets: new Map(Object.entries(given)), secretsMustExist });
}

t.test('a good file has no finding', async (t) => {
  t.match(check(good), { ok: true });
});

t.test(
  'every action and change of a policy can be written in a file, and a reading only of its own limits',
  async (t) => {
    const add = (policy: string) => check(good.replace('    limits:', `      - ${policy}\n    limits:`));
    const always = '"when": true';
    for (const policy of [
      `{ "id": "h", ${always}, "then": { "action": "hold" } }`,
      `{ "id": "m", ${always}, "then": { "action": "modify", "changes": [{ "change": "cap_output", "tokens": 500 }, { "change": "set", "parameter": "temperature", "value": { "decimal": "0.2" } }, { "change": "drop_tools", "tools": "all" }] } }`,
      `{ "id": "r", "phase": "response", ${always}, "then": { "action": "modify", "changes": [{ "change": "redact", "detectors": ["email"] }] } }`,
      '{ "id": "a", "phase": "admit", "when": { ">": [{ "var": "readings.percent.budget" }, 80] }, "then": { "action": "warn" } }',
    ])
      t.match(add(policy), { ok: true }, policy);
    t.match(
      add(
        '{ "id": "a", "phase": "admit", "when": { ">": [{ "var": "readings.percent.bugdet" }, 80] }, "then": { "action": "warn" } }',
      ),
      {
        ok: false,
        findings: [
          { line: 12, field: 'tenants[0].policies[1].when.>[0].var', message: /did you mean readings.percent.budget/ },
        ],
      },
    );
    t.match(add(`{ "id": "m", "phase": "admit", ${always}, "then": { "action": "hold" } }`), {
      ok: false,
      findings: [{ field: 'tenants[0].policies[1].then.action', message: /an? admit policy can deny, warn or tag/ }],
    });
  },
);

type Place = readonly (string | number)[];

function listPlaces(value: unknown, path: Place): Place[] {
  if (typeof value !== 'object' || value === null) return [path];
  const fields = Object.entries(value).flatMap(([name, item]) =>
    listPlaces(item, [...path, Array.isArray(value) ? Number(name) : name]),
  );
  return path.length === 0 ? fields : [path, ...fields];
}

/** Leaves the value as it is where an edit before has taken the place away. */
function replaceAt(value: unknown, [name, ...rest]: Place, content: unknown): void {
  if (typeof value !== 'object' || value === null || name === undefined) return;
  if (rest.length > 0) replaceAt(Reflect.get(value, name), rest, content);
  else Object.defineProperty(value, name, { value: content, enumerable: true, configurable: true, writable: true });
}

const mistakes: readonly {
  what: string;
  from: string | RegExp;
  to: string;
  line: number;
  field: string;
  expect: RegExp;
}[] = [
  {
    what: 'an unknown field',
    from: 'capture: full',
    to: 'captures: full',
    line: 4,
    field: 'tenants[0].captures',
    expect: /Unknown field; expected one of: .*capture/,
  },
  {
    what: 'an unknown top-level field',
    from: /$/,
    to: 'version: 1\n',
    line: 15,
    field: 'version',
    expect: /Unknown field/,
  },
  {
    what: 'a wrong type',
    from: 'ceiling: 600',
    to: 'ceiling: "600"',
    line: 13,
    field: 'tenants[0].limits[0].ceiling',
    expect: /whole number.*found a string/,
  },
  {
    what: 'a missing required field',
    from: ', baseUrl: "https://api.openai.com"',
    to: '',
    line: 6,
    field: 'tenants[0].providers[0].baseUrl',
    expect: /Missing/,
  },
  {
    what: 'a bad slug',
    from: 'slug: acme',
    to: 'slug: Acme_1',
    line: 2,
    field: 'tenants[0].slug',
    expect: /slug: lower-case/,
  },
  {
    what: 'a list that is an object',
    from: '[{ slug: research }]',
    to: '{ slug: research }',
    line: 3,
    field: 'tenants[0].subTenants',
    expect: /list, found an object/,
  },
  {
    what: 'an unknown enum value',
    from: 'capture: full',
    to: 'capture: all',
    line: 4,
    field: 'tenants[0].capture',
    expect: /`full`, `redacted` or `metadata`/,
  },
  {
    what: 'two providers of one slug',
    from: 'keys:',
    to: '  - { slug: openai, baseUrl: "https://b" }\n    keys:',
    line: 7,
    field: 'tenants[0].providers[1].slug',
    expect: /stands twice/,
  },
  {
    what: 'two keys of one name',
    from: 'name: ops',
    to: 'name: app',
    line: 9,
    field: 'tenants[0].keys[1].name',
    expect: /stands twice/,
  },
  {
    what: 'two limits of one id',
    from: 'id: budget',
    to: 'id: rpm',
    line: 14,
    field: 'tenants[0].limits[1].id',
    expect: /stands twice/,
  },
  {
    what: 'an unknown provider',
    from: 'provider: openai',
    to: 'provider: opnai',
    line: 8,
    field: 'tenants[0].keys[0].provider',
    expect: /not one of this tenant's providers/,
  },
  {
    what: 'an unknown sub-tenant',
    from: 'provider: openai',
    to: 'subTenant: lab',
    line: 8,
    field: 'tenants[0].keys[0].subTenant',
    expect: /subTenants/,
  },
  {
    what: 'a sub-tenant that is its own ancestor',
    from: '{ slug: research }',
    to: '{ slug: research, parent: research }',
    line: 3,
    field: 'tenants[0].subTenants[0].parent',
    expect: /ancestor/,
  },
  {
    what: 'a parent that does not exist',
    from: '{ slug: research }',
    to: '{ slug: research, parent: lab }',
    line: 3,
    field: 'tenants[0].subTenants[0].parent',
    expect: /not one of/,
  },
  {
    what: 'a base URL with credentials',
    from: 'https://api.openai.com',
    to: 'https://a:b@api.openai.com',
    line: 6,
    field: 'tenants[0].providers[0].baseUrl',
    expect: /no credentials/,
  },
  {
    what: 'a base URL of another scheme',
    from: 'https://api.openai.com',
    to: 'ftp://api.openai.com',
    line: 6,
    field: 'tenants[0].providers[0].baseUrl',
    expect: /Not an http or https URL/,
  },
  {
    what: 'a header that carries a credential',
    from: 'com" }',
    to: 'com", headers: { Authorization: x } }',
    line: 6,
    field: 'tenants[0].providers[0].headers.Authorization',
    expect: /credential/,
  },
  {
    what: 'an unknown operator in a policy',
    from: '"=="',
    to: '"eval"',
    line: 11,
    field: 'tenants[0].policies[0].when',
    expect: /./,
  },
  {
    what: 'an unknown fact in a policy',
    from: 'request.model',
    to: 'request.modell',
    line: 11,
    field: 'tenants[0].policies[0].when',
    expect: /./,
  },
  {
    what: 'an action without what it needs',
    from: '{ action: deny, reason: "no" }',
    to: '{ action: tag }',
    line: 11,
    field: 'tenants[0].policies[0].then.tags',
    expect: /Missing/,
  },
  {
    what: 'an unknown action',
    from: 'action: deny',
    to: 'action: block',
    line: 11,
    field: 'tenants[0].policies[0].then',
    expect: /deny \| hold \| warn/,
  },
  {
    what: 'a bad window',
    from: 'window: 1m,',
    to: 'window: 1 minute,',
    line: 13,
    field: 'tenants[0].limits[0].window',
    expect: /window such as/,
  },
  {
    what: 'a money limit without an amount',
    from: 'ceilingUsd: "50"',
    to: 'ceiling: 50',
    line: 14,
    field: 'tenants[0].limits[1].ceilingUsd',
    expect: /needs `ceilingUsd`/,
  },
  {
    what: 'an amount finer than a nano-dollar',
    from: '"50"',
    to: '0.1234567891',
    line: 14,
    field: 'tenants[0].limits[1].ceilingUsd',
    expect: /nine decimals/,
  },
  {
    what: 'a split by nothing known',
    from: 'by: [key]',
    to: 'by: [keys]',
    line: 13,
    field: 'tenants[0].limits[0].by[0]',
    expect: /tag:<name>/,
  },
  {
    what: 'a limit bound to an unknown provider',
    from: 'by: [key]',
    to: 'match: { provider: x }',
    line: 13,
    field: 'tenants[0].limits[0].match.provider',
    expect: /providers/,
  },
  {
    what: 'an instant that does not exist',
    from: 'secretEnv: HOC_KEY_OPS',
    to: 'secretEnv: HOC_KEY_OPS, expires: 2027-02-30',
    line: 9,
    field: 'tenants[0].keys[1].expires',
    expect: /instant/,
  },
  {
    what: 'a secret that is not set',
    from: 'HOC_KEY_OPS',
    to: 'HOC_KEY_NONE',
    line: 9,
    field: 'tenants[0].keys[1].secretEnv',
    expect: /HOC_KEY_NONE is not set/,
  },
  {
    what: 'two keys of one secret',
    from: 'HOC_KEY_OPS',
    to: 'HOC_KEY_APP',
    line: 9,
    field: 'tenants[0].keys[1].secretEnv',
    expect: /same secret as key `app`/,
  },
];

for (const mistake of mistakes) {
  t.test(`${mistake.what} is named with its line, field and expectation`, async (t) => {
    const text = good.replace(mistake.from, mistake.to);
    const checked = check(text);
    if (checked.ok) throw new Error('the mistake was not found');
    const finding = checked.findings.find((each) => each.field.startsWith(mistake.field));
    t.match(
      finding,
      { file: 'hoc.yaml', line: mistake.line, message: mistake.expect },
      JSON.stringify(checked.findings),
    );
  });
}

t.test('all mistakes are told at once, in the order of the file', async (t) => {
  const checked = check(good.replace('provider: openai', 'provider: x').replace('"=="', '"eval"'));
  t.same(checked.ok ? [] : checked.findings.map((finding) => finding.line), [8, 11]);
});

t.test('a short secret is refused and never echoed', async (t) => {
  const checked = check(good, { HOC_KEY_APP: 'canary-too-short', HOC_KEY_OPS: 'b'.repeat(32) });
  t.match(checked, { ok: false, findings: [{ line: 8, message: /shorter than 32/ }] });
  t.notMatch(JSON.stringify(checked), /canary/);
});

t.test('away from its secrets a file is checked without them', async (t) => {
  t.match(check(good, {}, false), { ok: true });
  t.match(check(good, { HOC_KEY_APP: 'short' }, false), { ok: false });
});

t.test('what fits together badly is found beside what has not its shape, entry by entry', async (t) => {
  const checked = check(
    good
      .replace('{ slug: openai', '{ slug: openai, nope: 1')
      .replace('name: ops,', 'name: ops, provider: nobody,')
      .replace('"=="', '"eval"')
      .replace('ceiling: 600', 'ceiling: "600"')
      .replace('ceilingUsd: "50", window: 1mo', 'ceilingUsd: "50"'),
  );
  t.same(checked.ok ? [] : checked.findings.map(({ line, field }) => [line, field]), [
    [6, 'tenants[0].providers[0].nope'],
    [9, 'tenants[0].keys[1].provider'],
    [11, 'tenants[0].policies[0].when'],
    [13, 'tenants[0].limits[0].ceiling'],
    [14, 'tenants[0].limits[1].window'],
  ]);
});

t.test('nothing is said to be missing that stands in a part which cannot be read', async (t) => {
  const fields = (text: string) => {
    const checked = check(text, secrets, false);
    return checked.ok ? [] : checked.findings.map(({ field }) => field);
  };
  t.same(fields(good.replace('{ slug: openai,', '{ slug: [openai],')), ['tenants[0].providers[0].slug']);
  t.same(fields(good.replace(/providers:\n.*\n/, 'providers: openai\n')), ['tenants[0].providers']);
  const priced = good.replace('"https://api.openai.com"', '"https://api.openai.com", priceAs: mine');
  const list = '    prices: [{ list: mine, models: 1 }]\n';
  t.same(fields(`${priced}${list}`), ['tenants[0].prices[0].models']);
  t.same(fields(`${priced}${list.replace('list: mine, ', '')}`).length, 2);
});

t.test('places in later tenants and entries are those of the file', async (t) => {
  const text = `tenants:
  - { capture: full }
  - slug: b
    keys: [{ name: 1 }, { name: x, secretEnv: HOC_KEY_APP, provider: none }]
`;
  t.match(check(text), {
    findings: [
      { line: 2, field: 'tenants[0].slug' },
      { line: 4, field: 'tenants[1].keys[0].secretEnv' },
      { line: 4, field: 'tenants[1].keys[0].name' },
      { line: 4, field: 'tenants[1].keys[1].provider', message: /`none` is not one of/ },
    ],
  });
});

t.test('a price list that nobody has is refused, with the nearest names', async (t) => {
  const withList = (name: string) => good.replace('.com"', `.com", priceAs: ${name}`);
  const found = (name: string) => {
    const checked = check(withList(name));
    return checked.ok ? null : checked.findings[0];
  };
  t.match(found('opnai'), { line: 6, field: 'tenants[0].providers[0].priceAs', message: /`opnai`.*nearest: `openai`/ });
  t.match(found('antropic'), { message: /nearest: `anthropic`/ });
  t.match(found('qqqqqqqqqq'), { message: /such as `openai`/ });
  for (const name of ['openai', 'simulator', 'huggingface_groq']) t.equal(found(name), null, name);
  const own = '    prices: [{ list: in-house, models: [{ id: m, usdPerMillion: { input: 1 } }] }]\n';
  t.match(check(`${withList('in-house')}${own}`), { ok: true });
  t.match(check(`${withList('inhouse')}${own}`), { findings: [{ message: /nearest: `in-house`/ }] });
});

t.test('no mistake in a field makes the check throw, and every bad file has a finding', async (t) => {
  const value = (parse(good) as { tenants: unknown[] }).tenants;
  const places = listPlaces(value, []);
  const wrong = fc.oneof(
    fc.constantFrom(null, 0, 'x', [], {}, [null], { slug: 'x' }, { ceilingUsd: 1 }),
    fc.jsonValue(),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...places), wrong), { maxLength: 4 }), (edits) => {
      const copy = structuredClone(value);
      for (const [place, content] of edits) replaceAt(copy, place, structuredClone(content));
      const checked = check(JSON.stringify({ tenants: copy }));
      return checked.ok || checked.findings.length > 0;
    }),
    { numRuns: 1_000 },
  );
  t.pass('held');
});

t.test('hostile files are refused in bounded time', async (t) => {
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...'bcdefgh'.split('').map((name, i) => `${name}: &${name} [${`*${'abcdefgh'[i]},`.repeat(9)}]`),
  ].join('\n');
  t.match(check(bomb), { ok: false, findings: [{ message: /aliases/ }] });
  t.match(check('['.repeat(100_000)), { ok: false });
  t.match(check(`${'x'.repeat(9_000_000)}`), { ok: false, findings: [{ message: /larger than/ }] });
  t.match(check('tenants: !!js/function "x"'), { ok: false });
  t.match(check('tenants: []\ntenants: []'), { ok: false, findings: [{ line: 2 }] });
  t.match(check('tenants:\n\t- x'), { ok: false, findings: [{ line: 2, message: /YAML/ }] });
  t.match(check('tenants: []\n---\ntenants: []'), { ok: false });
  t.match(check('__proto__: { tenants: [] }'), { ok: false });
  t.match(check(''), { ok: false });
  t.match(check(good.replace('"gpt-4"', '.inf')), { ok: false, findings: [{ line: 11 }] });
  t.match(check(good.replace('"gpt-4"', '"\\ud800"')), { ok: false, findings: [{ line: 11 }] });
});

t.test('aliases work, and lines are those of the file', async (t) => {
  const text =
    'tenants:\n  - slug: a\n    providers: &p\n      - { slug: x, baseUrl: "https://x", nope: 1 }\n  - slug: b\n    providers: *p\n';
  t.match(check(text), {
    ok: false,
    findings: [
      { line: 4, field: 'tenants[0].providers[0].nope' },
      { line: 4, field: 'tenants[1].providers[0].nope' },
    ],
  });
});

t.test('no text makes the check throw', async (t) => {
  const piece = fc.oneof(
    fc.constantFrom('tenants:', '- ', '{', '}', '[', ']', ':', '&a', '*a', '\n', '  ', 'slug', '"', '|', '!!x'),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => typeof check(pieces.join('')).ok === 'boolean'),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.json(), (json) => !check(json).ok),
    { numRuns: 300 },
  );
  t.pass('held');
});

t.test('dollars become nano-dollars exactly', async (t) => {
  t.equal(parseUsd('50'), 50_000_000_000n);
  t.equal(parseUsd('0.000000001'), 1n);
  t.equal(parseUsd('8999999.999999999'), 8_999_999_999_999_999n);
  t.same(['', '-1', '1.', '.5', '1e3', '0.0000000001', ' 1'].map(parseUsd), Array(7).fill(null));
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 9_000_000_000_000_000n }),
      (nano) => parseUsd(`${nano / 1_000_000_000n}.${String(nano % 1_000_000_000n).padStart(9, '0')}`) === nano,
    ),
  );
});

t.test('instants are read as they are meant', async (t) => {
  t.equal(parseInstant('2027-01-31'), Date.UTC(2027, 0, 31));
  t.equal(parseInstant('2027-01-31T12:00:00+02:00'), Date.UTC(2027, 0, 31, 10));
  t.same(['2027-02-30', '2027-01-31T12:00', '2027-13-01', 'soon'].map(parseInstant), [null, null, null, null]);
});

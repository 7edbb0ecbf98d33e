import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readFactTables, readOperatorTable, runPolicyCheck } from './main.ts';

const folder = mkdtempSync(join(tmpdir(), 'hoc-check-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the command on a file of that text and returns its exit code and output. */
async function check(text: string, options: { json: boolean; env?: Record<string, string> }) {
  const file = join(folder, 'hoc.yaml');
  writeFileSync(file, text);
  const captured = t.capture(process.stdout, 'write', () => true);
  const code = await runPolicyCheck({ file, json: options.json, env: options.env ?? {} });
  const output = captured()
    .map((call) => String(call.args[0]))
    .join('');
  captured.restore();
  return { code, output };
}

const key = 'tenants: [{ slug: acme, keys: [{ name: app, secretEnv: HOC_KEY_APP }] }]';

t.test('a good file exits with 0, also away from its secrets', async (t) => {
  t.match(await check(key, { json: false }), { code: 0, output: /no findings/ });
  t.match(JSON.parse((await check(key, { json: true })).output), { ok: true, findings: [] });
});

t.test('a bad file exits with 1 and names file, line and field', async (t) => {
  const bad = await check('tenants:\n  - slug: acme\n    nope: 1\n', { json: false });
  t.equal(bad.code, 1);
  t.match(bad.output, /hoc\.yaml:3 tenants\[0\]\.nope: Unknown field/);
});

t.test('a secret at hand is looked at and never printed', async (t) => {
  const { code, output } = await check(key, { json: true, env: { HOC_KEY_APP: 'canary-short' } });
  t.equal(code, 1);
  t.match(output, /shorter than 32/);
  t.notMatch(output, /canary/);
});

t.test('what stands in a file never controls the terminal', async (t) => {
  const { output } = await check('tenants:\n  - slug: acme\n    "\\e[2Jx": 1\n', { json: false });
  t.notMatch(output.replaceAll('\n', ''), /\p{Cc}/u);
});

t.test('a file that is not there exits with 2', async (t) => {
  t.equal(await runPolicyCheck({ file: join(folder, 'none.yaml'), json: true, env: {} }), 2);
});

t.test('the closed tables say of each fact its type and phases, of each detector whether it is a guess', async (t) => {
  const { facts, detectors } = readFactTables();
  const byName = new Map(facts.map((fact) => [fact.name, fact]));
  t.match(byName.get('request.body_bytes'), { type: 'integer', unit: 'bytes' });
  t.same(byName.get('request.model')?.phases, ['request', 'admit', 'response', 'stream']);
  t.same(byName.get('readings.percent.<limit id>')?.phases, ['admit', 'response', 'stream']);
  t.same(byName.get('answer.text')?.phases, ['response']);
  t.ok(detectors.every(({ id }) => byName.has(`detectors.${id}`) && byName.has(`stream.detectors.${id}`)));
  t.equal(detectors.find(({ id }) => id === 'jailbreak')?.kind, 'heuristic');
  const operators = readOperatorTable().operators.map(({ name }) => name);
  t.ok(['var', 'quantity', '==', 'matches', 'during'].every((name) => operators.includes(name)));
});

const mistakes: readonly [what: string, phase: string, when: string, expected: RegExp][] = [
  ['an operator', 'request', '{ "equals": [1, 1] }', /:7 .*when: unknown operator "equals"; known: var /],
  ['a fact', 'request', '{ "!!": [{ "var": "request.modle" }] }', /:7 .*when.!!.*did you mean request\.model\?/],
  ['a reading', 'admit', '{ ">": [{ "var": "readings.percent.none" }, 5] }', /:7 .*no limit of that id/],
  ['a type', 'request', '{ ">": [{ "var": "request.model" }, 5] }', /:7 .*when.>: ">" takes integers of one unit/],
  ['a key too many', 'request', '{ "==": [1, 1], "!=": [1, 2] }', /:7 .*exactly one key, this one has 2/],
  ['a prototype', 'request', '{ "__proto__": [1] }', /:7 .*unknown operator "__proto__"/],
  [
    'a later phase',
    'request',
    '{ "!!": [{ "var": "answer.bytes" }] }',
    /:7 .*belongs to phase response, which request/,
  ],
  ['no number', 'request', '{ ">": [{ "var": "request.body_bytes" }, .nan] }', /:7 .*a number that JSON does not have/],
  ['a huge number', 'request', '{ "==": [1, 99999999999999999999] }', /:7 .*integer of at most 2\^53 - 1/],
  ['an expression', 'request', '{ "matches": [{ "var": "request.text" }, "(?<=a)b"] }', /:7 .*RE2 has no look-around/],
  ['depth', 'request', `${'{"!":['.repeat(18)}true${']}'.repeat(18)}`, /:7 .*nested deeper than 16/],
  [
    'parts',
    'request',
    `{"and":[${Array(60).fill('{"and":[true,true,true,true]}').join(',')}]}`,
    /:7 .*more than 256 parts/,
  ],
];

for (const [what, phase, when, expected] of mistakes) {
  t.test(`${what} that no policy may have is refused with its line, its field and what to do`, async (t) => {
    const head = `tenants:\n  - slug: acme\n    policies:\n      - id: p\n        phase: ${phase}\n`;
    const { code, output } = await check(`${head}        then: { action: warn, reason: x }\n        when: ${when}\n`, {
      json: false,
    });
    t.equal(code, 1);
    t.match(output, expected);
    t.equal(output.trim().split('\n').length, 1, output);
  });
}

t.test('an action that its phase does not have is refused with those it has', async (t) => {
  const policy = (phase: string, then: string) =>
    `tenants:\n  - slug: acme\n    policies:\n      - { id: p, phase: ${phase}, when: { "==": [1, 1] },\n          then: ${then} }\n`;
  const hold = await check(policy('admit', '{ action: hold, reason: x }'), { json: false });
  t.match(hold.output, /:5 tenants\[0\]\.policies\[0\]\.then\.action: an admit policy can deny, warn or tag/);
  const modify = '{ action: modify, reason: x, changes: [{ change: cap_output, tokens: 5 }] }';
  t.match((await check(policy('stream', modify), { json: false })).output, /a stream policy can deny, warn or tag/);
  t.match((await check(policy('response', modify), { json: false })).output, /a response policy can only redact/);
});

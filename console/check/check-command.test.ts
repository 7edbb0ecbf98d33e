import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { runPolicyCheck } from './main.ts';

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

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Compile } from 'typebox/compile';
import { parse } from 'yaml';
import {
  configurationSchema,
  listSecretNames,
  renderConfigurationSchema,
  resolveSecrets,
  runExportFields,
} from './index.ts';

const published = join(process.cwd(), 'console/contract/hoc.schema.json');

const example = `
tenants:
  - slug: acme
    subTenants: [{ slug: research }]
    capture: full            # full | redacted | metadata
    approvals: single        # single | two-person (policies from a file then wait for approval)
    providers:
      - { slug: openai, baseUrl: "http://127.0.0.1:4100", dialects: auto, credential: passthrough, askUsage: never, allowPrivate: true }
      - { slug: anthropic, baseUrl: "https://api.anthropic.com", dialects: auto, credential: { env: ANTHROPIC_API_KEY }, askUsage: auto }
    keys:
      - { name: app, secretEnv: HOC_KEY_APP, provider: openai }
    policies:
      - { id: no-big-models, phase: request, mode: enforce, when: { "in": [{ "var": "request.model" }, ["gpt-4"]] }, then: { action: deny, reason: "Use a small model" } }
    limits:
      - { id: app-rpm, kind: requests, ceiling: 600, window: 1m, align: rolling, by: [key] }
      - { id: team-budget, kind: money, ceilingUsd: "50", window: 1mo, align: calendar, by: [subTenant], near: 80 }
`;

t.test(
  'the published JSON Schema is the one of the code (HOC_WRITE_SCHEMA=1 in the project writes it anew)',
  async (t) => {
    if (process.env.HOC_WRITE_SCHEMA === '1') writeFileSync(published, renderConfigurationSchema());
    const file = readFileSync(new URL('./hoc.schema.json', import.meta.url), 'utf8');
    t.same(JSON.parse(file), JSON.parse(renderConfigurationSchema()));
  },
);

t.test('the documented example fits the schema, and a misspelt field does not', async (t) => {
  const check = Compile(configurationSchema);
  t.ok(check.Check(parse(example)));
  t.notOk(check.Check(parse(example.replace('capture: full', 'captures: full'))));
});

t.test('only the secrets that a file names leave the environment', async (t) => {
  t.same(listSecretNames(example), ['ANTHROPIC_API_KEY', 'HOC_KEY_APP']);
  t.same(resolveSecrets(example, { HOC_KEY_APP: 'a', HOME: '/root' }), { HOC_KEY_APP: 'a' });
  t.same(listSecretNames('tenants: [ {'), []);
  t.same(listSecretNames('tenants: 5'), []);
});

t.test('an exported run has the fields of the contract', async (t) => {
  t.equal(runExportFields.length, 38);
  t.equal(new Set(runExportFields).size, 38);
});

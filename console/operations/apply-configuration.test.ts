import t from 'tap';
import { leafHash, sha256Hex } from '../../policy/evidence/index.ts';
import type { AuditRecord } from '../../storage/schema/audit.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type { KeyDocument, Manifest, PolicyDocument } from '../../storage/schema/snapshot.ts';
import { launchTestControl } from '../test-control.ts';
import { applyConfiguration } from './apply-configuration.ts';
import { createKey, revokeKey } from './keys.ts';
import { readDocument, readManifest } from './snapshot/read.ts';

const control = await launchTestControl();
t.teardown(() => control.close());
const { context, principal, db } = control;

const secrets: Record<string, string> = {
  HOC_KEY_APP: 'canary-app-key-0123456789abcdefghijk',
  HOC_KEY_OPS: 'canary-ops-key-0123456789abcdefghijk',
  ANTHROPIC_API_KEY: 'canary-anthropic-credential',
};

const base = `tenants:
  - slug: acme
    subTenants: [{ slug: research }, { slug: lab, parent: research }]
    providers:
      - { slug: openai, baseUrl: "http://127.0.0.1:4100/", askUsage: never, allowPrivate: true }
      - { slug: anthropic, baseUrl: "https://api.anthropic.com", credential: { env: ANTHROPIC_API_KEY } }
    keys:
      - { name: app, secretEnv: HOC_KEY_APP, provider: openai, subTenant: lab, expires: 2099-01-31 }
    policies:
      - { id: no-big-models, when: { "in": [{ "var": "request.model" }, ["gpt-4"]] }, then: { action: deny, reason: "Use a small model" } }
    limits:
      - { id: app-rpm, kind: requests, ceiling: 600, window: 1m, align: rolling, by: [key] }
      - { id: team-budget, kind: money, ceilingUsd: 0.1, window: 1mo, by: [subTenant] }
`;

interface Options {
  file?: string;
  dryRun?: boolean;
  adopt?: boolean;
  secrets?: Record<string, string>;
}

function apply(text: string, options: Options = {}) {
  return applyConfiguration(context, principal, {
    file: options.file ?? '/some/where/hoc.yaml',
    text,
    secrets: new Map(Object.entries(options.secrets ?? secrets)),
    dryRun: options.dryRun ?? false,
    adopt: options.adopt ?? false,
  });
}

async function inForce(): Promise<Manifest> {
  return JSON.parse((await readManifest(context)).manifest) as Manifest;
}

async function documents(tenant: string): Promise<{ policy: PolicyDocument; keys: KeyDocument }> {
  const entry = (await inForce()).tenants.find((each) => each.tenant === tenant);
  const read = async (sha256: string): Promise<unknown> => {
    const bytes = await readDocument(context, sha256);
    if (sha256Hex(bytes) !== sha256) throw new Error('a document does not have its digest');
    return JSON.parse(bytes.toString('utf8'));
  };
  return {
    policy: (await read(entry?.policy ?? '')) as PolicyDocument,
    keys: (await read(entry?.keys ?? '')) as KeyDocument,
  };
}

/** Everything stored, as text. */
async function dump(): Promise<string> {
  const tables = await db.introspection.getTables();
  const parts: string[] = [];
  for (const { name } of tables) {
    const rows = await db
      .selectFrom(name as 'settings')
      .selectAll()
      .execute();
    parts.push(
      name,
      JSON.stringify(rows, (_key, value) =>
        value?.type === 'Buffer' ? Buffer.from(value.data).toString('utf8') : value,
      ),
    );
  }
  return parts.join('\n');
}

async function entries(): Promise<{ tenant: string; act: string; object_id: string }[]> {
  const rows = await db.selectFrom('audit_entries').selectAll().orderBy('tenant').orderBy('sequence').execute();
  return rows
    .map((row) => JSON.parse(row.raw.toString('utf8')) as AuditRecord)
    .map(({ tenant, act, object_id }) => ({ tenant, act, object_id }));
}

async function refused(work: Promise<unknown>): Promise<HocError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof HocError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

t.test('a dry run tells what would change and changes nothing', async (t) => {
  const before = await dump();
  const result = await apply(base, { dryRun: true });
  t.same(result.counts, { created: 9, updated: 0, removed: 0, unchanged: 0 });
  t.equal(result.manifest, null);
  t.equal(await dump(), before);
});

t.test('a file becomes documents with hashes and references, and one audit entry for each object', async (t) => {
  const result = await apply(base);
  t.same(result.counts, { created: 9, updated: 0, removed: 0, unchanged: 0 });
  const { policy, keys } = await documents('acme');
  t.same(policy.sub_tenants, [
    { slug: 'lab', parent: 'research' },
    { slug: 'research', parent: null },
  ]);
  t.same(
    policy.providers.map((provider) => [provider.slug, provider.base_url, provider.credential.kind]),
    [
      ['anthropic', 'https://api.anthropic.com', 'vault'],
      ['openai', 'http://127.0.0.1:4100', 'passthrough'],
    ],
  );
  t.equal(policy.policies[0]?.version, 1);
  t.equal(policy.limits.find((limit) => limit.id === 'team-budget')?.ceiling, '100000000', '0.1 USD, exactly');
  const [key] = keys.keys;
  t.equal(key?.hash, context.hashKey(secrets.HOC_KEY_APP ?? ''));
  t.equal(key?.expires_at_ms, Date.UTC(2099, 0, 31));
  t.notMatch(JSON.stringify(keys), 'canary');
  const acts = (await entries()).filter((entry) => entry.tenant === 'acme').map((entry) => entry.act);
  t.same(acts, [
    'tenant.create',
    'sub_tenant.create',
    'sub_tenant.create',
    'provider.create',
    'provider.create',
    'key.create',
    'policy.create',
    'limit.create',
    'limit.create',
  ]);
  t.equal(control.epochs.get('acme'), (await inForce()).tenants[0]?.counter_epoch);
  t.equal(control.published.at(-1), result.manifest?.id);
});

t.test('applying the same file again changes nothing and leaves no trace', async (t) => {
  const before = await dump();
  const published = control.published.length;
  const result = await apply(base, { file: 'hoc.yaml' });
  t.same(result.counts, { created: 0, updated: 0, removed: 0, unchanged: 9 });
  t.equal(await dump(), before);
  t.equal(control.published.length, published);
});

t.test('a file with one mistake changes nothing at all', async (t) => {
  const before = await dump();
  const error = await refused(
    apply(
      base.replace('ceiling: 600', 'ceiling: 700').replace('capture', 'x').replace('window: 1mo', 'window: 1 month'),
    ),
  );
  t.equal(error.code, 'configuration_invalid');
  t.match(error.findings, [{ file: 'hoc.yaml', line: 13, field: 'tenants[0].limits[1].window' }]);
  t.equal(await dump(), before);
});

t.test('only what differs is changed: new versions, new documents, the old versions kept', async (t) => {
  const result = await apply(base.replace('ceiling: 600', 'ceiling: 700').replace('Use a small', 'Take a small'));
  const changed = result.changes.filter((each) => each.change !== 'unchanged');
  t.same(
    changed.map((each) => [each.change, each.object_type, each.object, each.fields]),
    [
      ['updated', 'policy', 'no-big-models', ['then', 'version']],
      ['updated', 'limit', 'app-rpm', ['ceiling', 'version']],
    ],
  );
  const { policy } = await documents('acme');
  t.equal(policy.policies[0]?.version, 2);
  const rows = await db.selectFrom('policies').select(['version', 'state']).orderBy('version').execute();
  t.same(rows, [
    { version: 1, state: 'retired' },
    { version: 2, state: 'active' },
  ]);
});

t.test('a changed credential is a new version, a changed key secret a new key; the old one is refused', async (t) => {
  const before = await inForce();
  const [old] = (await documents('acme')).keys.keys;
  const rotated = {
    ...secrets,
    ANTHROPIC_API_KEY: 'canary-second-credential',
    HOC_KEY_APP: 'canary-app-key-second-0123456789abc',
  };
  const result = await apply(base, { secrets: rotated });
  const changed = result.changes.filter((each) => each.change === 'updated').map((each) => each.object);
  t.same(changed, ['anthropic', 'app', 'no-big-models', 'app-rpm']);
  const { policy, keys } = await documents('acme');
  const { credential } = policy.providers[0] ?? {};
  t.match(credential, { kind: 'vault', version: 2 });
  t.equal((await inForce()).credentials_version, before.credentials_version + 1);
  t.same(keys.keys.map((key) => [key.id === old?.id, key.state]).sort(), [
    [false, 'active'],
    [true, 'revoked'],
  ]);
  t.same((await apply(base, { secrets: rotated })).counts, { created: 0, updated: 0, removed: 0, unchanged: 9 });
  await apply(base);
  const back = (await documents('acme')).keys.keys.filter((key) => key.hash === old?.hash);
  t.same(
    back.map((key) => key.state),
    ['active'],
    'a secret stands once, in its live key',
  );
});

t.test('objects that vanish from their file are revoked, retired or removed, and come back', async (t) => {
  const small = `tenants:\n  - slug: acme\n    providers: [{ slug: openai, baseUrl: "http://127.0.0.1:4100", askUsage: never, allowPrivate: true }]\n`;
  const dry = await apply(small, { dryRun: true });
  const result = await apply(small);
  t.same(result.changes, dry.changes, 'the dry run told exactly this');
  t.same(result.counts, { created: 0, updated: 0, removed: 7, unchanged: 2 });
  const { policy, keys } = await documents('acme');
  t.same([policy.policies, policy.limits, policy.sub_tenants], [[], [], []]);
  t.ok(keys.keys.every((key) => key.state === 'revoked'));
  const restored = await apply(base);
  t.same(restored.counts, { created: 7, updated: 0, removed: 0, unchanged: 2 });
  t.equal((await documents('acme')).policy.policies[0]?.version, 4);
  const stored = await db.selectFrom('credentials').selectAll().orderBy('version').execute();
  t.ok(
    stored.slice(0, -1).every((row) => row.envelope === null),
    'a removed credential is wiped',
  );
});

t.test('what the API made is not touched by a file, and another file cannot take over', async (t) => {
  const made = await createKey(context, principal, { tenant: 'acme', name: 'manual', provider: 'anthropic' });
  t.match(made.secret, /^hoc_[0-9a-f]{12}_[0-9A-Za-z]{49}$/);
  t.same((await apply(base)).counts, { created: 0, updated: 0, removed: 0, unchanged: 9 });
  t.ok((await documents('acme')).keys.keys.some((key) => key.id === made.id && key.state === 'active'));
  const taken = await refused(apply(base.replace('keys:', 'keys:\n      - { name: manual, secretEnv: HOC_KEY_OPS }')));
  t.equal(taken.code, 'conflict');
  t.match(taken.findings, [{ line: 8, field: 'tenants[0].keys[0].name', message: /owned by the API/ }]);
  const bound = await refused(apply(base.replace(/ {6}- \{ slug: anthropic.*\n/, '')));
  t.match(bound.findings, [{ field: 'tenants[0].providers', message: new RegExp(made.id) }]);
  const other = await refused(apply(base, { file: 'other.yaml' }));
  t.match(other.findings[0], { file: 'other.yaml', line: 2, message: /owned by the file hoc.yaml/ });
  const adopted = await apply(base, { file: 'other.yaml', adopt: true });
  t.equal(adopted.counts.updated, 9);
  await apply(base, { adopt: true });
  await revokeKey(context, principal, made.id);
});

t.test('a secret that the API revoked does not come back with its file', async (t) => {
  const key = (await documents('acme')).keys.keys.find((each) => each.name === 'app' && each.state === 'active');
  await revokeKey(context, principal, key?.id ?? '');
  const before = await dump();
  const result = await apply(base);
  t.match(
    result.changes.find((each) => each.object === 'app'),
    { change: 'unchanged', note: /was revoked/ },
  );
  t.equal(await dump(), before);
  const fresh = { ...secrets, HOC_KEY_APP: 'canary-app-key-third-0123456789abcdef' };
  t.match(
    (await apply(base, { secrets: fresh })).changes.find((each) => each.object === 'app'),
    { change: 'created' },
  );
});

t.test('where two persons must agree, a policy waits outside the snapshot', async (t) => {
  const fresh = { ...secrets, HOC_KEY_APP: 'canary-app-key-third-0123456789abcdef' };
  const two = base
    .replace('slug: acme\n', 'slug: acme\n    approvals: two-person\n')
    .replace('Use a small', 'Ask for a small');
  const result = await apply(two, { secrets: fresh });
  t.match(
    result.changes.find((each) => each.object_type === 'policy'),
    { change: 'updated', note: /waits for approval/ },
  );
  t.match(
    (await documents('acme')).policy.policies[0]?.then,
    { reason: 'Use a small model' },
    'the version in force stays',
  );
  t.equal((await apply(two, { secrets: fresh })).counts.unchanged, 9);
  const single = await apply(two.replace('two-person', 'single'), { secrets: fresh });
  t.match(
    single.changes.find((each) => each.object_type === 'policy'),
    { change: 'updated' },
  );
  t.match((await documents('acme')).policy.policies[0]?.then, { reason: 'Ask for a small model' });
  await apply(base, { secrets: fresh });
});

t.test('a tenant that leaves its file is terminated and comes back with its epoch', async (t) => {
  const fresh = { ...secrets, HOC_KEY_APP: 'canary-app-key-third-0123456789abcdef' };
  const epoch = (await inForce()).tenants[0]?.counter_epoch;
  const gone = await apply('tenants: []');
  t.equal(gone.counts.removed, 9);
  t.same((await inForce()).tenants, []);
  await apply(base, { secrets: fresh });
  t.equal((await inForce()).tenants[0]?.counter_epoch, epoch);
});

t.test('a file may exchange the secrets of its keys, but not share one', async (t) => {
  const two = `tenants:\n  - slug: pair\n    keys: [{ name: a, secretEnv: A }, { name: b, secretEnv: B }]\n`;
  const [a, b] = ['canary-a-0123456789abcdefghijklmnopqrst', 'canary-b-0123456789abcdefghijklmnopqrst'];
  await apply(two, { file: 'pair.yaml', secrets: { A: a ?? '', B: b ?? '' } });
  const swapped = await apply(two, { file: 'pair.yaml', secrets: { A: b ?? '', B: a ?? '' } });
  t.equal(swapped.counts.updated, 2);
  const live = (await documents('pair')).keys.keys.filter((key) => key.state === 'active');
  t.same(live.map((key) => [key.name, key.hash === context.hashKey(key.name === 'a' ? (b ?? '') : (a ?? ''))]).sort(), [
    ['a', true],
    ['b', true],
  ]);
  const elsewhere = await refused(
    apply('tenants: [{ slug: third, keys: [{ name: c, secretEnv: A }] }]', { file: 'c.yaml', secrets: { A: a ?? '' } }),
  );
  t.match(elsewhere.findings, [{ field: 'tenants[0].keys[0].secretEnv', message: /has this secret already/ }]);
});

t.test('a transaction that fails at its end leaves neither the change nor its entry', async (t) => {
  const before = await dump();
  const broken = { ...context, snapshotKey: 'no key' as unknown as typeof context.snapshotKey };
  const input = {
    file: 'new.yaml',
    text: 'tenants: [{ slug: fails }]',
    secrets: new Map(),
    dryRun: false,
    adopt: false,
  };
  await t.rejects(applyConfiguration(broken, principal, input));
  t.equal(await dump(), before);
});

t.test('while Redis is away a change stands, and its announcement is queued', async (t) => {
  control.down.redis = true;
  const result = await apply('tenants: [{ slug: late }]', { file: 'late.yaml' });
  control.down.redis = false;
  t.equal((await readManifest(context)).id, result.manifest?.id);
  t.same(control.queued, ['snapshot.publish']);
  t.equal(control.epochs.get('late'), undefined);
  await apply('tenants: [{ slug: late }]', { file: 'late.yaml' });
  t.ok(control.epochs.get('late'), 'the epoch that was never written is written later');
});

t.test('every leaf hash recomputes from its stored bytes, and every sequence is gapless', async (t) => {
  const rows = await db.selectFrom('audit_entries').selectAll().orderBy('tenant').orderBy('sequence').execute();
  t.ok(rows.length > 40);
  const next = new Map<string, number>();
  for (const row of rows) {
    const raw = row.raw.toString('utf8');
    const record = JSON.parse(raw) as AuditRecord;
    const expected = (next.get(row.tenant) ?? 0) + 1;
    next.set(row.tenant, expected);
    if (row.leaf_hash !== leafHash(raw) || row.sequence !== expected || record.sequence !== expected) t.fail(raw);
  }
  t.same(await context.store.transaction((tx) => tx.readAuditHoles()), []);
});

t.test('no secret is in any table or log line', async (t) => {
  t.notMatch(await dump(), /canary/);
  t.notMatch(control.logged.join('\n'), /canary/);
});

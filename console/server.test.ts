import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import { pino } from 'pino';
import t from 'tap';
import { sha256Hex } from '../policy/evidence/index.ts';
import type { AuditRecord, BatchSeal } from '../storage/schema/audit.ts';
import type { SpoolReport } from '../storage/schema/live.ts';
import type { RunRow } from '../storage/schema/run.ts';
import type { SealedCredentials, SignedManifest } from '../storage/schema/snapshot.ts';
import { createNodeKey, openAtNode } from '../storage/vault/index.ts';
import type { Problem } from './contract/api.ts';
import { ControlClient, runExportFields } from './contract/index.ts';
import { readCounterHealth } from './operations/counters/health.ts';
import type { DiagnosisPort } from './operations/diagnose.ts';
import { hashToken } from './operations/principal.ts';
import { prepareControl } from './operations/snapshot/prepare.ts';
import { createServer } from './server.ts';
import { launchTestControl } from './test-control.ts';
import { quietReport } from './test-reports.ts';

const debian = '/usr/lib/postgresql/15/bin';
const control = await launchTestControl(existsSync(debian) ? { bin: debian } : {});
const tokens = { service: 'canary-service-token', node: 'canary-node-token', bootstrap: 'canary-bootstrap-token' };
const answers: string[] = [];
const logged: string[] = [];
const fine = async (): Promise<readonly string[]> => [];
const diagnosis: DiagnosisPort = {
  addresses: { postgres: 'pg.test:5432', redis: 'redis.test:1', queue: 'queue.test:2', clickhouse: 'ch.test:8123' },
  pingRedis: async () => undefined,
  pingQueue: async () => undefined,
  pingClickHouse: async () => {
    throw new Error('no answer');
  },
  pendingMigrations: fine,
  pendingClickHouseMigrations: fine,
  sequences: async () => [],
};
await prepareControl(control.context, { serviceToken: tokens.service });
const server = await createServer({
  context: control.context,
  diagnosis,
  tokens: { node: tokens.node, bootstrap: tokens.bootstrap },
  log: pino({ level: 'info' }, { write: (line: string) => void logged.push(line) }),
  onAnswer: (route, status) => void answers.push(`${route} ${status}`),
});
const url = await server.listen({ host: '127.0.0.1', port: 0 });
t.teardown(async () => {
  await server.close();
  await control.close();
});

const client = new ControlClient({ url, token: tokens.service });
const bodies: string[] = [];

async function ask(
  method: string,
  path: string,
  options: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
) {
  const headers: Record<string, string> = { ...options.headers };
  if (options.token !== undefined) headers.authorization = `Bearer ${options.token}`;
  if (options.body !== undefined) headers['content-type'] = 'application/json';
  const body = typeof options.body === 'string' ? options.body : JSON.stringify(options.body);
  const response = await fetch(url + path, { method, headers, ...(options.body === undefined ? {} : { body }) });
  const text = await response.text();
  bodies.push(text);
  const isJson =
    /json/.test(response.headers.get('content-type') ?? '') &&
    !/ndjson/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    text,
    json: isJson ? JSON.parse(text) : null,
  };
}

const configuration = `tenants:
  - slug: acme
    providers:
      - { slug: openai, baseUrl: "https://api.openai.com", credential: { env: OPENAI_API_KEY } }
    keys: [{ name: app, secretEnv: HOC_KEY_APP }]
`;
const secrets = { OPENAI_API_KEY: 'canary-provider-credential', HOC_KEY_APP: 'canary-app-key-0123456789abcdefghijk' };
const digest = 'a'.repeat(64);
const mark = {
  proxyId: 'p',
  proxyEpoch: 1,
  tenant: 'acme',
  counterEpoch: 'e',
  lastSeq: 4,
  open: [
    {
      runId: 'r',
      atMs: 1,
      expiresInMs: 1,
      items: [{ key: 'c:x:*', window: { align: 'rolling', windowMs: 60_000 }, amount: '5' }],
    },
  ],
};
const spoolReport = quietReport({ proxy_id: 'p', at_ms: 1, marks: [{ tenant: 'acme', counter_epoch: 'e' }] });
const seal: BatchSeal = {
  batch_id: 'b1',
  tenant: 'acme',
  proxy_id: 'p',
  proxy_epoch: 1,
  first_seq: 1,
  last_seq: 9,
  leaves: 9,
  root: digest,
};

t.test('the platform operator applies a file, and the starter file acts as system:config', async (t) => {
  const applied = await client.apply({ file: 'hoc.yaml', text: configuration, secrets });
  t.equal(applied.counts.created, 3);
  const config = new ControlClient({ url, token: tokens.bootstrap });
  await config.apply({ file: 'start.yaml', text: 'tenants: [{ slug: demo }]' });
  const rows = await control.db
    .selectFrom('audit_open_values')
    .select(['tenant', 'actor_value', 'from_address'])
    .execute();
  t.match(
    rows.find((row) => row.tenant === 'acme'),
    { actor_value: /^service:svc_[0-9a-f]{12}$/, from_address: '127.0.0.1' },
  );
  t.match(
    rows.find((row) => row.tenant === 'demo'),
    { actor_value: 'system:config' },
  );
});

t.test('a wrong file is refused with all findings as problem+json', async (t) => {
  const wrong = await ask('POST', '/api/v1/apply', {
    token: tokens.service,
    body: { file: 'hoc.yaml', text: 'tenants: [{}]\nx: 1' },
  });
  t.equal(wrong.status, 422);
  t.match(wrong.type, /^application\/problem\+json/);
  const problem = wrong.json as Problem;
  t.match(problem, { code: 'configuration_invalid', status: 422, type: 'urn:hoc:problem:configuration_invalid' });
  t.match(problem.request_id, /^[0-9a-f-]{36}$/);
  t.same(
    problem.findings.map((finding) => [finding.line, finding.field]),
    [
      [1, 'tenants[0].slug'],
      [2, 'x'],
    ],
  );
  await t.rejects(client.apply({ file: 'hoc.yaml', text: 'tenants: [{}]' }), {
    code: 'configuration_invalid',
    findings: [{ line: 1 }],
  });
});

t.test('keys are created once, listed without secrets and revoked', async (t) => {
  const key = await client.createKey({ tenant: 'acme', name: 'by hand', actor: 'service:x' });
  t.match(key, { id: /^key_[0-9a-f]{12}$/, state: 'active', owner: 'api' });
  t.ok(key.secret.startsWith(`hoc_${key.id.slice(4)}_`));
  const listed = await client.listKeys('acme');
  t.same(listed.map((each) => each.name).sort(), ['app', 'by hand']);
  t.notMatch(JSON.stringify(listed), /hash|secret|canary/);
  t.equal((await client.revokeKey(key.id)).state, 'revoked');
  t.equal((await client.revokeKey(key.id)).state, 'revoked');
  await t.rejects(client.revokeKey('key_none'), { code: 'not_found' });
  await t.rejects(client.createKey({ tenant: 'nobody', name: 'x' }), { code: 'not_found' });
  await t.rejects(client.createKey({ tenant: 'acme', name: 'app' }), { code: 'conflict' });
  await t.rejects(client.createKey({ tenant: 'acme', name: 'x', provider: 'none' }), {
    code: 'input_invalid',
    findings: [{ field: 'provider' }],
  });
  await t.rejects(client.listKeys('nobody'), { code: 'not_found' });
});

const everyone = {
  none: undefined,
  unknown: 'canary-guess',
  service: tokens.service,
  bootstrap: tokens.bootstrap,
  node: tokens.node,
};
type Caller = keyof typeof everyone | 'enrolled';
const platform: Caller[] = ['service', 'bootstrap'];
const nodes: Caller[] = ['node', 'enrolled'];
const routes: readonly { method: string; path: string; allowed: Caller[] | 'public'; body?: unknown }[] = [
  { method: 'GET', path: '/', allowed: 'public' },
  { method: 'GET', path: '/api/v1/configuration-schema', allowed: 'public' },
  {
    method: 'POST',
    path: '/api/v1/apply',
    allowed: platform,
    body: { file: 'x.yaml', text: 'tenants: []', dry_run: true },
  },
  { method: 'GET', path: '/api/v1/keys', allowed: platform },
  { method: 'POST', path: '/api/v1/keys', allowed: platform, body: { tenant: 'acme', name: '' } },
  { method: 'POST', path: '/api/v1/keys/key_none/revoke', allowed: platform },
  { method: 'GET', path: '/api/v1/runs', allowed: platform },
  { method: 'GET', path: '/api/v1/runs/none', allowed: platform },
  { method: 'GET', path: '/api/v1/runs/none/explanation', allowed: platform },
  { method: 'GET', path: '/api/v1/policies/second-opinion?since_ms=0', allowed: platform },
  { method: 'GET', path: '/api/v1/runs/export', allowed: platform },
  { method: 'GET', path: '/api/v1/tenants', allowed: platform },
  { method: 'GET', path: '/api/v1/doctor', allowed: platform },
  { method: 'POST', path: '/api/v1/doctor/acknowledge', allowed: platform, body: { finding: 'none', reason: 'x' } },
  { method: 'POST', path: '/api/v1/limits/accept-gap', allowed: platform, body: { proxy: 'none' } },
  { method: 'GET', path: '/internal/v1/marks', allowed: nodes },
  { method: 'POST', path: '/internal/v1/marks', allowed: nodes, body: { reports: [mark] } },
  { method: 'POST', path: '/internal/v1/spools', allowed: nodes, body: spoolReport },
  { method: 'GET', path: '/internal/v1/manifest', allowed: nodes },
  { method: 'GET', path: `/internal/v1/documents/${digest}`, allowed: nodes },
  { method: 'POST', path: '/internal/v1/batches', allowed: nodes, body: { seals: [seal] } },
  {
    method: 'POST',
    path: '/internal/v1/enrol',
    allowed: ['node'],
    body: { name: 'other', public_key: createNodeKey().publicKey },
  },
  { method: 'GET', path: '/internal/v1/credentials', allowed: ['enrolled'] },
];

t.test('every route answers every caller as declared: 401 unknown, 403 not allowed', async (t) => {
  const enrolment = await ask('POST', '/internal/v1/enrol', {
    token: tokens.node,
    body: { name: 'matrix', public_key: createNodeKey().publicKey },
  });
  const callers: Record<Caller, string | undefined> = { ...everyone, enrolled: enrolment.json.node_token };
  for (const route of routes) {
    for (const [caller, token] of Object.entries(callers)) {
      const options = {
        ...(token === undefined ? {} : { token }),
        ...(route.body === undefined ? {} : { body: route.body }),
      };
      const { status, text } = await ask(route.method, route.path, options);
      const allowed = route.allowed === 'public' || route.allowed.includes(caller as Caller);
      const expected = caller === 'none' || caller === 'unknown' ? 401 : 403;
      t.ok(
        allowed ? status !== 401 && status !== 403 : status === expected,
        `${route.method} ${route.path} as ${caller}: ${status}`,
      );
      if (status >= 500) t.fail(text);
    }
  }
  const printed = [...server.printRoutes({ commonPrefix: false }).matchAll(/\(([A-Z, ]+)\)/g)];
  const methods = printed.flatMap(([, list]) => (list ?? '').split(', ')).filter((method) => method !== 'HEAD');
  t.equal(methods.length, routes.length, 'every route of the server is in this table');
});

t.test('marks and reports in another form are refused, and what fits is taken', async (t) => {
  const post = (path: string, body: unknown) => ask('POST', `/internal/v1/${path}`, { token: tokens.node, body });
  t.same((await post('marks', { reports: [mark] })).json, { taken: 0, ignored: 1 }, 'no rebuild waits for it');
  t.equal((await post('marks', { reports: [{ ...mark, lastSeq: -1 }] })).status, 400);
  const [run] = mark.open;
  const wrong = { ...run, items: [{ ...run?.items[0], amount: '1.5' }] };
  t.equal((await post('marks', { reports: [{ ...mark, open: [wrong] }] })).status, 400);
  t.equal((await post('spools', { ...spoolReport, running: 'maybe' })).status, 400);
  t.same((await post('spools', spoolReport)).json, { known: true });
  for (const oldest of [null, 1795376909123]) {
    await post('spools', { ...spoolReport, oldest_at_ms: oldest });
    const { spools } = await readCounterHealth(control.context);
    t.equal(
      (JSON.parse(spools[0]?.report ?? '{}') as SpoolReport).oldest_at_ms,
      oldest,
      'nothing that waits is not 1970',
    );
  }
  await t.rejects(client.acceptGap('nobody'), { code: 'not_found' });
  await t.rejects(client.acceptGap('p'), { code: 'conflict' });
});

t.test('tokens of this machine are refused from elsewhere, also behind a proxy on it', async (t) => {
  for (const token of [tokens.service, tokens.bootstrap]) {
    const forwarded = await ask('GET', '/api/v1/tenants', { token, headers: { 'x-forwarded-for': '127.0.0.1' } });
    t.match(forwarded.json, { status: 403, code: 'forbidden' });
    const injected = await server.inject({
      url: '/api/v1/tenants',
      remoteAddress: '10.0.0.7',
      headers: { authorization: `Bearer ${token}` },
    });
    t.equal(injected.statusCode, 403);
  }
});

t.test('what is not a request of ours is a problem without a stack', async (t) => {
  const { service } = tokens;
  t.match((await ask('GET', '/api/v1/nothing')).json, { status: 404, code: 'not_found' });
  t.match((await ask('POST', '/api/v1/apply', { token: service, body: '{"file":' })).json, {
    status: 400,
    code: 'input_invalid',
  });
  t.match((await ask('POST', '/api/v1/apply', { token: service, body: { file: 'x' } })).json, {
    status: 400,
    findings: [{}],
  });
  t.match((await ask('POST', '/api/v1/keys', { token: service, body: { tenant: 'a', name: 'b', extra: 1 } })).json, {
    status: 400,
  });
  t.match((await ask('POST', '/api/v1/keys', { token: service, body: `"${'x'.repeat(2_000_000)}"` })).json, {
    status: 413,
  });
  t.match((await ask('GET', '/internal/v1/documents/XYZ', { token: tokens.node })).json, { status: 400 });
  t.match((await ask('GET', '/api/v1/runs?limit=0', { token: service })).json, { status: 400 });
  t.match((await ask('GET', '/api/v1/%ff', { token: service })).json, { status: 400 });
  t.match(
    (await ask('POST', '/api/v1/apply', { token: service, headers: { 'content-type': 'text/xml' }, body: undefined }))
      .json,
    { status: 400 },
  );
  const proto = await ask('POST', '/api/v1/keys', {
    token: service,
    body: '{"__proto__":{"x":1},"tenant":"a","name":"b"}',
  });
  t.equal(proto.status, 400);
  for (const body of bodies) t.notMatch(body, /at .*\.js:\d+|node_modules/);
});

t.test('a failure of ours is a 500 that says nothing, and the log says it all', async (t) => {
  const { live } = control.context;
  control.context.runs.readPage = async () => {
    throw new Error('a secret reason');
  };
  const failed = await ask('GET', '/api/v1/runs', { token: tokens.service });
  control.context.runs.readPage = async () => ({ rows: control.runs, next: null });
  t.match(failed.json, { status: 500, code: 'internal' });
  t.notMatch(failed.text, /secret reason/);
  t.match(logged.join(''), /a secret reason/);
  t.ok(live);
});

t.test('the manifest and its documents are the exact bytes that were hashed and signed', async (t) => {
  const signed = (await ask('GET', '/internal/v1/manifest', { token: tokens.node })).json as SignedManifest;
  t.equal(sha256Hex(signed.manifest), signed.id);
  const { tenants } = JSON.parse(signed.manifest) as { tenants: { keys: string; policy: string }[] };
  for (const id of tenants.flatMap((tenant) => [tenant.keys, tenant.policy])) {
    const document = await ask('GET', `/internal/v1/documents/${id}`, { token: tokens.node });
    t.equal(sha256Hex(document.text), id);
  }
  t.equal((await ask('GET', `/internal/v1/documents/${digest}`, { token: tokens.node })).status, 404);
});

t.test('an enrolled node opens its credentials; enrolling again ends the token before', async (t) => {
  const key = createNodeKey();
  const enrol = { name: 'proxy-1', public_key: key.publicKey };
  const first = (await ask('POST', '/internal/v1/enrol', { token: tokens.node, body: enrol })).json;
  const sealed = (await ask('GET', '/internal/v1/credentials', { token: first.node_token })).json as SealedCredentials;
  const opened = openAtNode(key.privateKey, sealed);
  t.match(opened, { version: 1, credentials: [{ id: /^cred_/, version: 1, secret: secrets.OPENAI_API_KEY }] });
  const again = (await ask('POST', '/internal/v1/enrol', { token: tokens.node, body: enrol })).json;
  t.equal(again.node_id, first.node_id);
  t.equal((await ask('GET', '/internal/v1/credentials', { token: first.node_token })).status, 401);
  t.equal((await ask('GET', '/internal/v1/credentials', { token: again.node_token })).status, 200);
  const bad = await ask('POST', '/internal/v1/enrol', { token: tokens.node, body: { name: 'x', public_key: 'AAAA' } });
  t.match(bad.json, { status: 400, code: 'input_invalid' });
});

t.test('a batch is sealed once per tenant however often it is posted, and never with two roots', async (t) => {
  const seals = [
    { ...seal, batch_id: 'b2' },
    { ...seal, batch_id: 'b2', tenant: '' },
  ];
  const post = (body: unknown) => ask('POST', '/internal/v1/batches', { token: tokens.node, body });
  t.same((await post({ seals })).json, { added: 2, known: 0 });
  t.same((await post({ seals: [...seals].reverse() })).json, { added: 0, known: 2 });
  const other = await post({
    seals: [
      { ...seal, batch_id: 'b3' },
      { ...seal, batch_id: 'b2', root: 'b'.repeat(64) },
    ],
  });
  t.match(other.json, { status: 409, code: 'conflict' });
  t.same(
    (await post({ seals: [{ ...seal, batch_id: 'b3' }] })).json,
    { added: 1, known: 0 },
    'the refused call left nothing',
  );
  const rows = await control.db.selectFrom('audit_entries').selectAll().where('tenant', '=', 'acme').execute();
  const records = rows
    .map((row) => JSON.parse(row.raw.toString()) as AuditRecord)
    .filter((record) => record.object_id === 'b2');
  t.match(records, [{ act: 'batch.seal', facts: { root: digest, leaves: 9, first_seq: 1, last_seq: 9 } }]);
  t.equal(records.length, 1);
});

t.test('20 operations at once leave gapless logs and a growing manifest', async (t) => {
  const before = JSON.parse(
    ((await ask('GET', '/internal/v1/manifest', { token: tokens.node })).json as SignedManifest).manifest,
  );
  const work = Array.from({ length: 20 }, async (_, index) => {
    if (index % 4 === 3) {
      const seals = [
        { ...seal, batch_id: `c${index}` },
        { ...seal, batch_id: `c${index}`, tenant: '' },
      ];
      return ask('POST', '/internal/v1/batches', { token: tokens.node, body: { seals } });
    }
    const tenant = index % 2 === 0 ? 'acme' : 'demo';
    return ask('POST', '/api/v1/keys', { token: tokens.service, body: { tenant, name: `at once ${index}` } });
  });
  const statuses = (await Promise.all(work)).map((answer) => answer.status);
  t.same([...new Set(statuses)].sort(), [200, 201]);
  const after = JSON.parse(
    ((await ask('GET', '/internal/v1/manifest', { token: tokens.node })).json as SignedManifest).manifest,
  );
  t.equal(after.sequence, before.sequence + 15);
  const rows = await control.db
    .selectFrom('audit_entries')
    .select(['tenant', 'sequence'])
    .orderBy('tenant')
    .orderBy('sequence')
    .execute();
  for (const tenant of ['', 'acme', 'demo']) {
    const sequences = rows.filter((row) => row.tenant === tenant).map((row) => row.sequence);
    t.same(
      sequences,
      sequences.map((_, index) => index + 1),
      `log of ${tenant || 'the platform'}`,
    );
  }
});

t.test('an export is one line a run with the fields of the contract in their order', async (t) => {
  const row = {
    run_id: 'r1',
    tenant: 'acme',
    tags: { team: 'a' },
    marks: ['overrun'],
    count: 1,
    altered: false,
    events: [],
    limits: [],
  };
  control.runs.push(
    row as unknown as RunRow,
    { ...row, run_id: 'r2', cost_nano_usd: '9007199254740993' } as unknown as RunRow,
  );
  let text = '';
  for await (const chunk of client.exportRuns()) text += Buffer.from(chunk).toString();
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.equal(lines.length, 2);
  for (const line of lines) t.same(Object.keys(line), [...runExportFields]);
  t.match(lines[0], { run_id: 'r1', session_id: null, model: null, tags: { team: 'a' }, marks: ['overrun'] });
  t.equal(lines[1].cost_nano_usd, '9007199254740993');
  t.equal((await client.showRun('r1')).run_id, 'r1');
  t.equal((await client.listRuns({ limit: 2, status: 'succeeded' })).runs.length, 2);
  await t.rejects(client.showRun('none'), { code: 'not_found' });
});

t.test('an export that breaks off is an error at the caller, never a shorter file', async (t) => {
  const { stream } = control.context.runs;
  control.context.runs.stream = async function* () {
    for (let index = 0; index < 5_000; index += 1) yield control.runs[0] as RunRow;
    throw new Error('the engine left');
  };
  const read = async (): Promise<void> => {
    for await (const chunk of client.exportRuns()) chunk.length;
  };
  await t.rejects(read(), { code: 'engine_unavailable' });
  control.context.runs.stream = stream;
});

t.test('the doctor names what does not answer', async (t) => {
  const findings = await client.examine();
  t.match(
    findings.find((finding) => finding.check === 'clickhouse'),
    {
      severity: 'error',
      message: /^ClickHouse at ch\.test:8123 does not answer: see that it runs.*logs\/clickhouse\.log.*CLICKHOUSE_URL/,
    },
  );
  t.match(
    findings.find((finding) => finding.check === 'postgres'),
    { severity: 'ok' },
  );
  t.match(
    findings.find((finding) => finding.check === 'audit sequences'),
    { severity: 'ok' },
  );
  control.epochs.delete('acme');
  t.match(
    (await client.examine()).find((finding) => finding.check === 'counters'),
    { severity: 'error', message: /acme/ },
  );
});

t.test('a check that fails names the engine that it lacks, and an engine’s own words stay in the log', async (t) => {
  const { pendingClickHouseMigrations, sequences } = diagnosis;
  t.teardown(() => Object.assign(diagnosis, { pendingClickHouseMigrations, sequences }));
  const fail = async () => {
    throw new Error('words of an engine');
  };
  Object.assign(diagnosis, { pendingClickHouseMigrations: fail, sequences: fail });
  const ofCheck = async (check: string) => (await client.examine()).find((finding) => finding.check === check);
  t.match(await ofCheck('migrations'), {
    severity: 'error',
    message: 'Could not be checked without ClickHouse, see above',
  });
  const { pingClickHouse } = diagnosis;
  t.teardown(() => Object.assign(diagnosis, { pingClickHouse }));
  Object.assign(diagnosis, { pingClickHouse: async () => undefined });
  t.match(await ofCheck('record sequences'), {
    message: 'Could not be checked: ClickHouse failed; the log of control says how',
  });
});

t.test('acknowledged damage stays visible, with by whom and why, and more of it is an error again', async (t) => {
  const { sequences } = diagnosis;
  t.teardown(() => Object.assign(diagnosis, { sequences }));
  const lose = (...gaps: { from: number; to: number }[]) =>
    Object.assign(diagnosis, { sequences: async () => [{ proxyId: 'p', proxyEpoch: 3, gaps }] });
  const report = (damaged: number) =>
    ask('POST', '/internal/v1/spools', {
      token: tokens.node,
      body: quietReport({ proxy_id: 'p', at_ms: Date.now(), damaged_frames: damaged }),
    });
  const find = async (id: string) => (await client.examine()).find((finding) => finding.id === id);
  const [frames, gaps] = ['spool/p/damaged_frames', 'gaps/p/3'];
  await t.rejects(client.acknowledge(frames, 'x'), { code: 'not_found', message: /hoc doctor names/ });
  await report(2);
  lose({ from: 10, to: 20 });
  t.match(await find(frames), {
    severity: 'error',
    message: /p: 2 damaged.*hoc doctor acknowledge spool\/p\/damaged_fr/,
  });
  t.match(await find(gaps), { severity: 'error', message: /p epoch 3 are missing: 10 to 20.*acknowledge gaps\/p\/3/ });
  const done = await client.acknowledge(frames, 'disk replaced');
  t.match(done, { id: frames, message: /2 damaged/, acknowledged: { by: String, reason: 'disk replaced' } });
  await client.acknowledge(gaps, 'lost with that disk');
  const seen = { severity: 'acknowledged', acknowledged: { by: done.acknowledged.by } };
  t.match(await find(frames), { ...seen, message: /2 damaged.*acknowledged by .*: disk replaced/ });
  t.match(await find(gaps), { ...seen, acknowledged: { reason: 'lost with that disk' } });
  lose({ from: 12, to: 14 }, { from: 18, to: 20 });
  t.match(await find(gaps), seen, 'less of it is still what was seen');
  lose({ from: 12, to: 14 }, { from: 18, to: 21 });
  await report(3);
  t.match(await find(gaps), { severity: 'error', message: /not what .* acknowledged on/, acknowledged: undefined });
  t.match(await find(frames), { severity: 'error', message: /3 damaged/ });
  await client.acknowledge(frames, 'one more, same disk');
  t.match(await find(frames), seen);
  const acts = await control.db
    .selectFrom('audit_entries')
    .selectAll()
    .where('tenant', '=', '')
    .orderBy('sequence')
    .execute();
  const kept = acts.map((row) => JSON.parse(row.raw.toString())).filter((act) => act.act === 'finding.acknowledge');
  t.match(kept, [{ object_id: frames }, { object_id: gaps }, { object_id: frames, object_type: 'finding' }]);
  t.equal(kept.length, 3);
  await report(0);
});

t.test('a client whose control is away says so', async (t) => {
  const free = createTcpServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => free.once('listening', resolve));
  const { port } = free.address() as { port: number };
  await new Promise((resolve) => free.close(resolve));
  const away = new ControlClient({ url: `http://127.0.0.1:${port}`, token: 'canary-token' });
  await t.rejects(away.listTenants(), { code: 'engine_unavailable', message: /^(?!.*canary)/ });
});

t.test('routes are counted by pattern, never by value', async (t) => {
  t.ok(answers.includes('/api/v1/keys/:id/revoke 404'));
  t.ok(answers.includes('none 404'));
});

t.test('no secret or token is in the database, a log or an answer but its own', async (t) => {
  const dump = spawnSync(
    `${existsSync(debian) ? debian : control.bin}/pg_dump`,
    ['--inserts', '-d', control.databaseUrl],
    {
      encoding: 'utf8',
      maxBuffer: 100_000_000,
    },
  );
  if (dump.status !== 0) t.comment('no pg_dump here');
  const decoded = dump.stdout.replace(/\\x([0-9a-f]+)/g, (_, hex: string) => Buffer.from(hex, 'hex').toString('utf8'));
  if (dump.status === 0) t.match(decoded, /batch\.seal/, 'the dump holds the log');
  for (const text of [decoded, logged.join(''), control.logged.join(''), bodies.join('')]) t.notMatch(text, /canary/);
  t.notMatch(decoded, /hocn_|hoc_[0-9a-f]{12}_/);
  t.match(decoded, hashToken(tokens.service));
});

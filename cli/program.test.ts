import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { runExportFields } from '../console/contract/index.ts';
import { buildProgram } from './program.ts';

const entry = fileURLToPath(new URL('./main.js', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'hoc-program-'));
t.teardown(() => rmSync(scratch, { recursive: true, force: true }));

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function hoc(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const options = { env: { PATH: process.env.PATH, ...env }, cwd: scratch };
  return new Promise((resolve) => {
    execFile(process.execPath, [entry, ...args], options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

/** Control's API as far as a test needs it: fixed answers by method and path, and what was asked. */
async function startControl(answers: Record<string, { status?: number; body: string }>) {
  const asked: { route: string; body: string; token: string | undefined }[] = [];
  const read = async (request: IncomingMessage): Promise<string> => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    return body;
  };
  const server = createServer(async (request, response) => {
    const route = `${request.method} ${request.url}`;
    asked.push({ route, body: await read(request), token: request.headers.authorization });
    const answer = answers[route] ?? { status: 404, body: '{"code":"not_found","detail":"no such thing"}' };
    response.writeHead(answer.status ?? 200, { 'content-type': 'application/json' }).end(answer.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { asked, env: { HOC_URL: `http://127.0.0.1:${port}`, HOC_TOKEN: 'token-of-test' } };
}

t.test('every command has help with an example, and takes --json', async (t) => {
  const walk = (command: ReturnType<typeof buildProgram>): void => {
    for (const child of command.commands) {
      if (child.commands.length > 0) walk(child);
      else if (!['clickhouse', 'simulator'].includes(child.name())) {
        let help = '';
        child.configureOutput({ writeOut: (text) => (help += text) });
        child.outputHelp();
        t.match(help, /Examples?:\n {2}\$ /, child.name());
        t.match(help, /--json/, child.name());
      }
    }
  };
  walk(buildProgram({}));
});

t.test('wrong usage is exit code 2, help is 0, no running HOC is 3', async (t) => {
  const [none, unknown, port, same, missing, help, nowhere] = await Promise.all([
    hoc(['runs', 'list', '--limit', '0']),
    hoc(['nonsense']),
    hoc(['start', '--proxy-port', '99999']),
    hoc(['start', '--proxy-port', '5', '--admin-port', '5', '--data', join(scratch, 'never')]),
    hoc(['apply', '-f', 'not-there.yaml']),
    hoc(['--help']),
    hoc(['runs', 'list', '--json']),
  ]);
  t.same(
    [none, unknown, port, same, missing].map((one) => one.code),
    [2, 2, 2, 2, 2],
  );
  t.equal(help.code, 0);
  t.match(help.stdout, /Exit codes:/);
  t.equal(nowhere.code, 3);
  t.match(JSON.parse(nowhere.stderr), { error: { code: 'Unreachable', findings: [] } });
});

t.test('apply sends the text with just the variables it names, and shows a diff', async (t) => {
  const counts = { created: 1, updated: 1, removed: 0, unchanged: 2 };
  const changes = [
    { change: 'created', object_type: 'key', tenant: 'acme', object: 'app', fields: [], note: null },
    {
      change: 'updated',
      object_type: 'limit',
      tenant: 'acme',
      object: 'rpm',
      fields: ['ceiling'],
      note: 'waits\u001b[2J',
    },
    { change: 'unchanged', object_type: 'tenant', tenant: 'acme', object: 'acme', fields: [], note: null },
  ];
  const result = { file: 'hoc.yaml', dry_run: true, changes, counts, manifest: null };
  const control = await startControl({ 'POST /api/v1/apply': { body: JSON.stringify(result) } });
  const text = 'tenants: [{ slug: acme, keys: [{ name: app, secretEnv: HOC_KEY_APP }] }]\n';
  writeFileSync(join(scratch, 'hoc.yaml'), text);
  const done = await hoc(['apply', '-f', 'hoc.yaml', '--dry-run'], {
    ...control.env,
    HOC_KEY_APP: 'k',
    OTHER_SECRET: 'o',
  });
  t.equal(done.code, 0);
  t.same(JSON.parse(control.asked[0]?.body ?? ''), {
    file: 'hoc.yaml',
    text,
    secrets: { HOC_KEY_APP: 'k' },
    dry_run: true,
  });
  t.equal(control.asked[0]?.token, 'Bearer token-of-test');
  t.equal(
    done.stdout,
    '+ key acme/app\n~ limit acme/rpm (ceiling): waits\\x1b[2J\nWould change: 1 created, 1 updated, 0 removed, 2 unchanged.\n',
  );
});

t.test('a refused file is printed as file:line field: message, exit code 2', async (t) => {
  const findings = [{ file: 'hoc.yaml', line: 3, field: 'tenants[0].slug', message: 'is not a slug' }];
  const body = JSON.stringify({ code: 'configuration_invalid', detail: 'The file has 1 mistake.', findings });
  const control = await startControl({ 'POST /api/v1/apply': { status: 422, body } });
  writeFileSync(join(scratch, 'bad.yaml'), 'tenants: 1\n');
  const done = await hoc(['apply', '-f', 'bad.yaml'], control.env);
  t.equal(done.code, 2);
  t.equal(done.stderr, 'hoc: The file has 1 mistake.\n  hoc.yaml:3 tenants[0].slug: is not a slug\n');
  t.same(JSON.parse((await hoc(['apply', '-f', 'bad.yaml', '--json'], control.env)).stderr).error.findings, findings);
});

t.test('an export comes through byte for byte as JSON lines, and as CSV without formulas', async (t) => {
  const run = {
    ...Object.fromEntries(runExportFields.map((field) => [field, null])),
    run_id: 'r1',
    model: '=HYPERLINK("x")',
    tags: { k: 'v' },
  };
  const lines = `${JSON.stringify(run)}\n${JSON.stringify({ ...run, run_id: 'r2' })}\n`;
  const control = await startControl({ 'GET /api/v1/runs/export?format=jsonl': { body: lines } });
  t.equal((await hoc(['runs', 'export', '--format', 'jsonl'], control.env)).stdout, lines);
  const csv = (await hoc(['runs', 'export', '--format', 'csv'], control.env)).stdout.split('\r\n');
  t.equal(csv[0], runExportFields.join(','));
  t.equal(csv.length, 4);
  t.match(csv[1], /^r1,,.*,"'=HYPERLINK\(""x""\)","\{""k"":""v""\}",/);
});

t.test('what callers wrote cannot steer the terminal of who lists runs', async (t) => {
  const run = {
    run_id: 'r1',
    started_at: 0,
    tenant: 'a',
    provider: 'p',
    model: '\u001b]0;x\u0007',
    status: 'blocked',
    count: 3,
    decided_by: 'limit:l',
    input_tokens: null,
    output_tokens: null,
    cost_nano_usd: null,
    latency_ms: 1,
  };
  const control = await startControl({
    'GET /api/v1/runs?limit=20': { body: JSON.stringify({ runs: [run], next: 'c2' }) },
  });
  const { stdout } = await hoc(['runs', 'list'], control.env);
  t.notOk(stdout.includes('\u001b'));
  t.match(stdout, /\\x1b\]0;x\\x07 +blocked x3/);
  t.match(stdout, /--cursor c2/);
});

t.test('a created key is shown once with a notice, and asked for as given', async (t) => {
  const key = { id: 'key_1', tenant: 'acme', name: 'app', secret: 'hoc_secret' };
  const control = await startControl({ 'POST /api/v1/keys': { body: JSON.stringify(key) } });
  const done = await hoc(['keys', 'create', '--tenant', 'acme', '--name', 'app', '--sub-tenant', 's'], control.env);
  t.match(done.stdout, /hoc_secret\n\nThis is shown once/);
  t.same(JSON.parse(control.asked[0]?.body ?? ''), { tenant: 'acme', name: 'app', sub_tenant: 's' });
  t.same(JSON.parse((await hoc(['keys', 'create', '-t', 'acme', '-n', 'app', '--json'], control.env)).stdout), key);
});

const noOpinion = {
  runs: 0,
  decisions: 0,
  conditions: { same: 0, different: 0, not_supported: {} },
  decided_again: { exact: 0, same: 0, different: 0, not_possible: {} },
  differing: [],
  next: null,
};

t.test(
  'a second opinion goes on from page to page up to its limit, sums, and ends with 1 where one differs',
  async (t) => {
    const page = {
      ...noOpinion,
      runs: 100,
      conditions: { same: 5, different: 0, not_supported: { why: 2 } },
      next: 'r1',
    };
    const differing = [
      { run_id: 'r0', phase: 'request', what: 'condition', policy: 'p\u001b[2J@1', ours: 'true', theirs: 'false' },
    ];
    const last = {
      ...page,
      conditions: { same: 3, different: 1, not_supported: { why: 1 } },
      differing,
      runs: 20,
      next: 'r2',
    };
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.end(JSON.stringify((request.url ?? '').includes('cursor=r1') ? last : page));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    const { port } = server.address() as { port: number };
    const env = { HOC_URL: `http://127.0.0.1:${port}`, HOC_TOKEN: 'token-of-test' };
    const done = await hoc(['policy', 'second-opinion', '--limit', '120', '--since', '2h', '--tenant', 'acme'], env);
    t.equal(done.code, 1, done.stderr);
    t.match(asked, [/tenant=acme/, /limit=20&.*cursor=r1|cursor=r1.*limit=20/]);
    t.match(done.stdout, /^120 runs/);
    t.match(done.stdout, / 8 {2}same\n +1 {2}different\n +3 {2}not supported\n +3 {2}why/);
    t.match(done.stdout, /run r0 request policy p\\x1b\[2J@1: true \(engine\), false \(json-logic-js\)/);
    t.equal((await hoc(['policy', 'second-opinion', '--since', 'yesterday'], env)).code, 2);
  },
);

t.test('a run whose decision is not kept any more is told so, with exit code 1', async (t) => {
  const phase = {
    phase: 'request',
    state: 'erased',
    context: null,
    context_holds: null,
    words: ['deny by policy:p@1', 'gone'],
  };
  const run = {
    run_id: 'r1',
    status: 'blocked',
    verdict: 'deny',
    decided_by: 'policy:p@1',
    tenant: 'acme',
    snapshot_id: null,
  };
  const { env } = await startControl({
    'GET /api/v1/runs/r1/explanation': { body: JSON.stringify({ ...run, phases: [phase] }) },
    'GET /api/v1/runs/r2/explanation': { body: JSON.stringify({ ...run, phases: [] }) },
  });
  const erased = await hoc(['runs', 'explain', 'r1'], env);
  t.equal(erased.code, 1);
  t.equal(erased.stdout, 'run r1: blocked, deny by policy:p@1\ntenant acme\n\nrequest: deny by policy:p@1\n  gone\n');
  const none = await hoc(['runs', 'explain', 'r2'], env);
  t.equal(none.code, 1);
  t.match(none.stdout, /nothing to explain/);
  t.equal((await hoc(['runs', 'explain', 'r3'], env)).code, 1);
});

t.test('facts and operators are listed without a running HOC, as text and as JSON', async (t) => {
  const [facts, json, operators] = await Promise.all([
    hoc(['policy', 'facts']),
    hoc(['policy', 'facts', '--json']),
    hoc(['policy', 'operators']),
  ]);
  t.match(facts.stdout, /^request\.body_bytes +integer +bytes +request admit response stream +size of the body$/m);
  t.match(facts.stdout, /^jailbreak +heuristic/m);
  t.match(JSON.parse(json.stdout), { facts: [{ name: 'request.model', type: 'text' }], detectors: [{ id: 'email' }] });
  t.match(operators.stdout, /^during +time/m);
});

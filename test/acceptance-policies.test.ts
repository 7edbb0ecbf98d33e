import { mkdtempSync, readFileSync, realpathSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import t from 'tap';
import { type ByteProvider, startByteProvider, streamPieces } from './faults/byte-provider.ts';
import { killTarget } from './faults/killer.ts';
import { createRandom } from './faults/random.ts';
import { findTarget } from './faults/targets.ts';
import { type ExportedRun, type Installation, removeData, startInstallation, until } from './installation.ts';

t.setTimeout(process.env.HOC_PROOF_STREAM_BYTES === undefined ? 230_000 : 0);

const data = realpathSync(mkdtempSync(join(tmpdir(), 'hoc-test-')));
const secrets = { HOC_KEY_READ: 'r'.repeat(48), HOC_KEY_FREE: 'f'.repeat(48) };
/** The proxy must do with little: what it kept of a stream that goes on and on would not fit. */
const env = { ...secrets, NODE_OPTIONS: '--max-old-space-size=128' };
const endlessBytes = Number(process.env.HOC_PROOF_STREAM_BYTES ?? 120_000_000);
const agent = new Agent({ keepAlive: true });
let hoc: Installation;
let provider: ByteProvider;

/** Tenant `read` has these policies, a JSON text for each; tenant `free` has none. Prices are those of the simulator. */
function configure(policies: readonly string[], perHour = 1_000_000): string {
  const tenant = (slug: string) => `
  - slug: ${slug}
    providers:
      - { slug: raw, baseUrl: "${provider.url}", allowPrivate: true, priceAs: simulator, askUsage: never }
    keys:
      - { name: ${slug}, secretEnv: HOC_KEY_${slug.toUpperCase()} }
    limits:
      - { id: rate, kind: requests, ceiling: ${perHour}, window: 1h, align: rolling }`;
  const listed = policies.map((policy) => `      - ${policy}\n`).join('');
  return `tenants:${tenant('free')}${tenant('read')}\n    policies:\n${listed}`;
}

const standing = `{ id: no-gpt-4, phase: request, when: { "==": [{ "var": "request.model" }, "gpt-4"] }, then: { action: deny, reason: "Use a small model" } }`;
const streamWatch = `{ id: stream-watch, phase: stream, when: { "matches": [{ "var": "stream.text" }, "unsaid-[0-9]+"] }, onError: allow, then: { action: deny, reason: "not here" } }`;
const answerWatch = `{ id: answer-watch, phase: response, when: { ">": [{ "var": "answer.detectors.iban" }, 0] }, onError: allow, then: { action: deny, reason: "not here" } }`;
const good = [standing, streamWatch, answerWatch];

t.before(async () => {
  provider = await startByteProvider();
  t.teardown(() => {
    agent.destroy();
    provider.close();
  });
  hoc = await startInstallation({ data, yaml: configure(good), env });
  t.teardown(async () => {
    await hoc.stop();
    removeData(data);
  });
});

interface Got {
  status: number;
  runId: string;
  body: Buffer;
}

interface Asked {
  tenant?: 'read' | 'free';
  body?: object;
  /** Takes the answer in its stead, and may leave. */
  onData?: (chunk: Buffer, leave: () => void) => void;
}

function ask({ tenant = 'read', body = {}, onData }: Asked = {}): Promise<Got> {
  const secret = tenant === 'read' ? secrets.HOC_KEY_READ : secrets.HOC_KEY_FREE;
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' };
    const sent = request(`${hoc.proxy}/raw/v1/chat/completions`, { method: 'POST', agent, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => (onData ? onData(chunk, () => sent.destroy()) : chunks.push(chunk)));
      answer.once('error', () => undefined);
      answer.once('close', () =>
        resolve({
          ...{ status: answer.statusCode ?? 0, runId: String(answer.headers['x-hoc-run-id']) },
          body: Buffer.concat(chunks),
        }),
      );
    });
    sent.once('error', reject);
    sent.end(JSON.stringify({ model: 'sim-small', messages: [{ role: 'user', content: 'hello' }], ...body }));
  });
}

async function recorded(runIds: readonly string[]): Promise<Map<string, ExportedRun>> {
  const find = (runs: ExportedRun[]) => runs.filter((run) => runIds.includes(run.run_id) && run.status !== 'running');
  const runs = find(await hoc.exportRuns((all) => find(all).length === runIds.length));
  return new Map(runs.map((run) => [run.run_id, run]));
}

const event = (delta: object) =>
  `data: ${JSON.stringify({ id: 'c', model: 'sim-small', choices: [{ index: 0, delta }] })}\n\n`;
const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 };
const ending = `data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: ${JSON.stringify({ id: 'c', choices: [], usage })}\n\ndata: [DONE]\n\n`;
const whole = JSON.stringify({
  ...{ id: 'c', model: 'sim-small', usage },
  choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
});

function answerWhole(): void {
  provider.answer((response) => void response.writeHead(200, { 'content-type': 'application/json' }).end(whole));
}

const nest = (depth: number): string => `${'{ "!": ['.repeat(depth)}true${'] }'.repeat(depth)}`;
const then = 'then: { action: deny, reason: "no" }';

/** Policies that must not be taken, each with a part of the reason. */
const refused: readonly (readonly [string, RegExp])[] = [
  [`{ id: p, phase: request, when: { "eval": ["1"] }, ${then} }`, /eval/],
  [`{ id: p, phase: request, when: { "__proto__": [1] }, ${then} }`, /__proto__/],
  [
    `{ id: p, phase: request, when: { "==": [{ "var": "request.constructor" }, "x"] }, ${then} }`,
    /request\.constructor/,
  ],
  [`{ id: p, phase: request, when: { "==": [{ "var": "request.model" }, 5] }, ${then} }`, /==/],
  [
    `{ id: p, phase: request, when: { "and": [true], "or": [true] }, ${then} }`,
    /one operator|one key|single|exactly one/i,
  ],
  [`{ id: p, phase: request, when: ${nest(80)}, ${then} }`, /deep|depth|level/i],
  [`{ id: p, phase: request, when: { "or": [${'true, '.repeat(400)}true] }, ${then} }`, /1 to 64/],
  [`{ id: p, phase: request, when: { "matches": [{ "var": "request.text" }, "(a)\\\\1"] }, ${then} }`, /RE2/],
  [`{ id: p, phase: request, when: { "matches": [{ "var": "request.text" }, "(?=a)"] }, ${then} }`, /RE2/],
  [`{ id: p, phase: request, when: { "==": [{ "var": "answer.status" }, 200] }, ${then} }`, /answer\.status/],
  [
    `{ id: p, phase: stream, when: true, then: { action: modify, reason: "x", changes: [{ change: redact, detectors: [email] }] } }`,
    /stream/,
  ],
];

t.test(
  '24: what is outside the policy language is refused with place and reason, and nothing of the file takes effect',
  async (t) => {
    answerWhole();
    for (const [policy, reason] of refused) {
      const applied = await hoc.apply(configure([...good, policy]));
      t.equal(applied.code, 2, policy.slice(0, 90));
      t.match(applied.stdout + applied.stderr, /test\.yaml:\d+.*tenants\[1\]\.policies\[3\]/s, 'the place');
      t.match(applied.stdout + applied.stderr, reason, 'the reason');
    }
    t.equal((await ask({ body: { model: 'gpt-4' } })).status, 403, 'what stood before stands');
    t.equal((await ask()).status, 200);
  },
);

t.test(
  '24: an error in deciding denies, unless the policy says otherwise, and a nested expression costs nothing',
  async (t) => {
    answerWhole();
    // One message: the divisor is zero.
    const divides = `when: { ">": [{ "/": [10, { "-": [{ "var": "request.message_count" }, 1] }] }, 2] }`;
    const policies = (onError: string) => [
      `{ id: faulty, phase: request, ${divides}, onError: ${onError}, ${then} }`,
      `{ id: nested, phase: request, when: { "matches": [{ "var": "request.text" }, "(x+x+)+y"] }, ${then} }`,
    ];
    t.equal((await hoc.apply(configure(policies('deny')))).code, 0);
    await until(async () => (await ask()).status === 403, 'the policy to be in force');
    const denied = await ask();
    t.match(JSON.parse(denied.body.toString()), { error: { code: 'policy_denied' } });
    t.match((await recorded([denied.runId])).get(denied.runId), {
      status: 'blocked',
      verdict: 'deny',
      decided_by: 'policy:faulty@1',
    });
    t.equal((await hoc.apply(configure(policies('allow')))).code, 0);
    await until(async () => (await ask()).status === 200, 'the policy to let it pass');
    const startedMs = performance.now();
    const long = await ask({ body: { messages: [{ role: 'user', content: 'x'.repeat(1_000_000) }] } });
    t.equal(long.status, 200);
    t.ok(performance.now() - startedMs < 2000, `a megabyte took ${(performance.now() - startedMs).toFixed(0)} ms`);
    t.equal((await hoc.apply(configure(good))).code, 0);
    await until(async () => (await ask({ body: { model: 'gpt-4' } })).status === 403, 'the good policies to be back');
  },
);

t.test(
  '29: every split of a stream gives the caller the same bytes and us the same usage, read by policies or not',
  async (t) => {
    const random = createRandom(29);
    const words = Array.from({ length: 40 }, (_, at) =>
      event({ content: at % 5 === 0 ? `é漢😀 ${at}` : `some words ${at} ` }),
    );
    const call = (own: object) => event({ tool_calls: [{ index: 0, ...own }] });
    const tools = [
      call({ id: 'a', function: { name: 'search', arguments: '{"q":' } }),
      call({ function: { arguments: '"é"}' } }),
    ];
    const bytes = Buffer.from([...words, ...tools].join('') + ending);
    const runIds: string[] = [];
    for (let nth = 0; nth < 24; nth += 1) {
      const size = [1, 2, 7, 97, 1400, bytes.length][nth % 6] ?? 1;
      const pieces: Buffer[] = [];
      for (let at = 0; at < bytes.length; ) {
        const end = at + (nth < 12 ? size : random.between(1, 400));
        pieces.push(bytes.subarray(at, end));
        at = end;
      }
      provider.answer(streamPieces(pieces));
      const got = await ask({ tenant: nth % 2 === 0 ? 'read' : 'free', body: { stream: true } });
      t.ok(got.body.equals(bytes), `${pieces.length} pieces`);
      runIds.push(got.runId);
    }
    const runs = [...(await recorded(runIds)).values()];
    t.same(
      new Set(
        runs.map((run) =>
          [run.status, run.input_tokens, run.output_tokens, run.cost_nano_usd, run.usage_source].join(),
        ),
      ).size,
      1,
      'the same on record',
    );
    t.match(runs[0], { status: 'succeeded', input_tokens: 7, output_tokens: 5 });
  },
);

const odd = [
  ['no space', `data:{"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n${ending.replaceAll('data: ', 'data:')}`],
  ['lone CR', ending.replaceAll('\n', '\r')],
  ['a mark and comments', `\ufeff: hello\n\n${event({ content: 'a' })}: ping\n\n:\n${ending}: bye\n\n`],
  ['other fields', `retry: 5\nid: 7\nfoo: bar\n\n${event({ content: 'a' })}event: x\ndata\n\n${ending}`],
] as const;

t.test('30: streams that are oddly written pass as they are, and their usage is read', async (t) => {
  const runIds: string[] = [];
  for (const [name, stream] of odd) {
    for (const tenant of ['read', 'free'] as const) {
      provider.answer(streamPieces([...Buffer.from(stream)].map((byte) => Buffer.of(byte))));
      const got = await ask({ tenant, body: { stream: true } });
      t.equal(got.body.toString(), stream, `${name}, ${tenant}`);
      runIds.push(got.runId);
    }
  }
  for (const run of (await recorded(runIds)).values())
    t.match(run, { status: 'succeeded', input_tokens: 7, output_tokens: 5 });
});

/** Most memory that the proxy ever held, and what it holds now, in MiB. */
function readMemory(pid: number): { peak: number; now: number } {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024;
  return { peak: of('VmHWM'), now: of('VmRSS') };
}

t.test('30: an event of 100 MB is forwarded in bounded memory, read by policies or not', async (t) => {
  const { pid } = findTarget(data, 'proxy');
  const piece = Buffer.from('x'.repeat(64 * 1024));
  const pieces = 1600;
  const [before, after] = ['data: {"choices":[{"index":0,"delta":{"content":"', `"}}]}\n\n${ending}`];
  for (const tenant of ['free', 'read'] as const) {
    const base = readMemory(pid);
    provider.answer((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(before);
      const send = (left: number): void => {
        if (left === 0) response.end(after);
        else response.write(piece, () => send(left - 1));
      };
      send(pieces);
    });
    let bytes = 0;
    const got = await ask({
      tenant,
      body: { stream: true },
      onData: (chunk) => {
        bytes += chunk.length;
      },
    });
    t.equal(bytes, before.length + pieces * piece.length + after.length, `${tenant}: all of it came`);
    const run = (await recorded([got.runId])).get(got.runId);
    t.match(run, { status: 'succeeded', input_tokens: 7, output_tokens: 5 });
    const { peak } = readMemory(pid);
    t.comment(`${tenant}: from ${base.now.toFixed(0)} MiB, peak ${peak.toFixed(0)} MiB`);
    t.ok(peak < Math.max(base.peak, base.now) + 80, `${tenant}: less than the event`);
  }
});

t.test(
  '30: a stream that never ends is forwarded until its caller leaves, in flat memory, and is on record',
  async (t) => {
    const { pid } = findTarget(data, 'proxy');
    for (const tenant of ['free', 'read'] as const) {
      const text = Array.from({ length: 50 }, (_, at) => event({ content: `word ${at} and another ` })).join('');
      const piece = Buffer.from(text);
      provider.answer((response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const send = (): void => {
          if (!response.destroyed) response.write(piece, () => setImmediate(send));
        };
        send();
      });
      let bytes = 0;
      const base = readMemory(pid);
      const got = await ask({
        tenant,
        body: { stream: true },
        onData: (chunk, leave) => {
          bytes += chunk.length;
          if (bytes > endlessBytes) leave();
        },
      });
      const run = (await recorded([got.runId])).get(got.runId);
      t.match(run, { status: 'cancelled' });
      const { peak } = readMemory(pid);
      t.comment(
        `${tenant}: ${(bytes / 1e6).toFixed(0)} MB; from ${base.now.toFixed(0)} MiB, peak ${peak.toFixed(0)} MiB`,
      );
      t.ok(peak - base.now < 90, `${tenant}: less than the stream`);
    }
  },
);

const alarmOf = async () => Number(/^hoc_configuration_alarms\{[^}]*\} (\d+)$/m.exec(await hoc.metrics())?.[1]);
const doctor = async () => {
  const { code, stdout } = await hoc.hoc('doctor', '--json');
  const { findings } = JSON.parse(stdout) as { findings: { check: string; severity: string; message: string }[] };
  return { code, errors: findings.filter(({ severity }) => severity === 'error') };
};

t.test('34: a bad configuration never stops a start: what was in force is, and the alarm is loud', async (t) => {
  answerWhole();
  await hoc.stop();
  const bad = configure([...good, `{ id: p, phase: request, when: { "nonsense": [1] }, ${then} }`]);
  hoc = await startInstallation({ data, yaml: bad, env });
  t.equal((await ask({ body: { model: 'gpt-4' } })).status, 403);
  t.equal((await ask()).status, 200);
  t.equal(await alarmOf(), 1, 'in the metrics');
  const { code, errors } = await doctor();
  t.equal(code, 1);
  t.match(errors, [{ check: 'configuration', message: /last good/ }], 'in what the doctor says');
  t.equal((await hoc.apply(configure(good))).code, 0);
  await until(async () => (await alarmOf()) === 0, 'the alarm to end with a good configuration');
  await until(async () => (await alarmOf()) === 0, 'the alarm to end');
  t.match(await doctor(), { code: 0 });
});

const logOf = (name: string) => readFileSync(join(data, `logs/${name}.log`), 'utf8');
const unconfirmed = /^hoc_degraded\{[^}]*mode="snapshot_not_confirmed"[^}]*\} 1$/m;

/** A policy that no check let through, as an older release or a hand in the database might leave it. */
async function plant(state: 'active' | 'retired'): Promise<void> {
  const definition = {
    ...{ id: 'planted', phase: 'request', mode: 'enforce', scope: {}, when: { nonsense: [1] }, on_error: 'deny' },
    then: { action: 'deny', reason: 'x' },
  };
  const database = new pg.Client({ connectionString: hoc.engines.DATABASE_URL });
  await database.connect();
  const sql =
    state === 'active'
      ? "insert into policies (tenant, id, version, state, owner, definition, created_at_ms) values ('free', 'planted', 1, 'active', 'console', $1, 0)"
      : "update policies set state = 'retired' where id = 'planted' and definition = $1";
  await database.query(sql, [JSON.stringify(definition)]);
  await database.end();
}

t.test(
  '34: a policy that should never have been published stops no proxy and no start, and is told loudly',
  async (t) => {
    answerWhole();
    await plant('active');
    // A change of that tenant takes the planted policy into the next manifest.
    t.equal((await hoc.apply(configure(good, 2_000_000))).code, 0);
    await until(async () => unconfirmed.test(await hoc.metrics()), 'the metrics to say so');
    const check = async (when: string) => {
      t.equal((await ask({ body: { model: 'gpt-4' } })).status, 403, `decided as before ${when}`);
      t.equal((await ask({ tenant: 'free' })).status, 200, `others are untouched ${when}`);
    };
    await check('while it stands');
    t.match(logOf('proxy'), /last good one stays in force/, 'in its log');
    t.match(logOf('proxy'), /policies\[0\]\.when.*unknown operator/, 'with the place and the reason');
    t.match(await doctor(), { code: 1, errors: [{ check: 'manifest', message: /not in force on: proxy-1/ }] });
    await killTarget(data, 'proxy');
    await hoc.ready(60_000);
    await check('after a start of the proxy');
    await hoc.stop();
    hoc = await startInstallation({ data, yaml: configure(good, 3_000_000), env });
    await check('after a start of everything');
    t.equal(await alarmOf(), 1);
    t.match((await doctor()).errors, [{ check: 'manifest' }, { check: 'configuration', message: /last good/ }]);
    await plant('retired');
    t.equal((await hoc.apply(configure(good, 4_000_000))).code, 0);
    await until(async () => !unconfirmed.test(await hoc.metrics()), 'the next manifest to be in force');
    await until(async () => (await alarmOf()) === 0, 'the alarm to end');
    await until(async () => (await doctor()).code === 0, 'the doctor to find nothing');
  },
);

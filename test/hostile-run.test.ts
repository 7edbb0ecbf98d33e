import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { type ExportedRun, type Installation, removeData, startInstallation, startProcess } from './installation.ts';

t.setTimeout(180_000);

const secrets = {
  HOC_KEY_APP: randomBytes(24).toString('hex'),
  HOC_KEY_OTHER: randomBytes(24).toString('hex'),
  HOC_KEY_FEW: randomBytes(24).toString('hex'),
  VAULTED: `sk-${randomBytes(16).toString('hex')}`,
};
let hoc: Installation;
let simulator: string;
let answer: Buffer = Buffer.alloc(0);

t.before(async () => {
  const process_ = await startProcess('proxy/simulator/main.js', 'runSimulator', {
    HOC_SIMULATOR_LISTEN: '127.0.0.1:0',
    HOC_SIMULATOR_SPEED: 'instant',
  });
  simulator = process_.listen.simulator ?? '';
  const raw = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(answer));
  }).listen(0, '127.0.0.1');
  await once(raw, 'listening');
  hoc = await startInstallation({
    env: secrets,
    yaml: `
tenants:
  - slug: acme
    providers:
      - { slug: sim, baseUrl: "${simulator}", allowPrivate: true, priceAs: simulator, askUsage: never }
      - { slug: raw, baseUrl: "http://127.0.0.1:${(raw.address() as AddressInfo).port}", allowPrivate: true, priceAs: simulator, askUsage: never }
      - { slug: vaulted, baseUrl: "${simulator}", allowPrivate: true, credential: { env: VAULTED } }
    keys:
      - { name: app, secretEnv: HOC_KEY_APP }
      - { name: other, secretEnv: HOC_KEY_OTHER }
      - { name: few, secretEnv: HOC_KEY_FEW }
    policies:
      - { id: no-big-models, when: { "in": [{ "var": "request.model" }, ["gpt-4"]] }, then: { action: deny, reason: "Use a small model" } }
    limits:
      - { id: few-rph, kind: requests, ceiling: 3, window: 1h, align: rolling, match: { key: few } }
      - { id: budget, kind: money, ceilingUsd: "100", window: 1d, align: calendar, by: [key], match: { key: app } }
`,
  });
  t.teardown(async () => {
    await hoc.stop();
    await process_.stop();
    raw.close();
    removeData(hoc.data);
  });
});

interface Call {
  slug?: string;
  key?: string;
  body?: string | Buffer;
  headers?: Record<string, string>;
  query?: string;
}

const small = '{"model":"sim-small","max_tokens":200,"messages":[{"role":"user","content":"Hello"}]}';

function chat(call: Call = {}): Promise<Response> {
  return fetch(`${hoc.proxy}/${call.slug ?? 'sim'}/v1/chat/completions${call.query ?? ''}`, {
    method: 'POST',
    headers: {
      ...(call.headers?.authorization === undefined && call.headers?.['x-hoc-key'] === undefined
        ? { authorization: `Bearer ${call.key ?? secrets.HOC_KEY_APP}` }
        : {}),
      'content-type': 'application/json',
      ...call.headers,
    },
    body: call.body ?? small,
  });
}

async function recorded(id: string | null): Promise<ExportedRun> {
  const find = (runs: ExportedRun[]) => runs.find((run) => run.run_id === id && run.status !== 'running');
  const run = find(await hoc.exportRuns((runs) => find(runs) !== undefined));
  if (run === undefined) throw new Error('no such run');
  return run;
}

const idOf = (response: Response) => response.headers.get('x-hoc-run-id');
const lastRequest = async () => (await fetch(`${simulator}/simulator/requests?last=1`)).text();
const crashes = async () => /hoc_child_restarts_total\{[^}]*child="proxy"[^}]*\} [1-9]/.test(await hoc.metrics());

t.test('a compressed stream that ends with its connection never takes the proxy down', async (t) => {
  const stream = gzipSync('data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\ndata: [DONE]\n\n');
  const head =
    'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n';
  answer = Buffer.concat([Buffer.from(head), stream]);
  for (let round = 0; round < 5; round += 1) {
    const response = await chat({ slug: 'raw', body: small.replace('{', '{"stream":true,') });
    t.match(await response.text(), /\[DONE\]/);
    t.match(await recorded(idOf(response)), { status: 'succeeded' });
  }
  t.notOk(await crashes());
});

t.test('a head that HTTP does not allow becomes a native error on record', async (t) => {
  for (const head of [
    'HTTP/1.1 200 O\u0002K',
    'HTTP/1.1 204 No Content',
    'HTTP/1.1 304 Not Modified',
    'HTTP/1.1 999 ?',
  ]) {
    answer = Buffer.from(`${head}\r\nContent-Length: 5\r\n\r\nhello`, 'latin1');
    const response = await chat({ slug: 'raw' }).catch((error: unknown) => error);
    t.ok(response instanceof Response, head);
    if (response instanceof Response) {
      await response.text().catch(() => undefined);
      t.ok(await recorded(idOf(response)), head);
    }
  }
  t.notOk(await crashes());
});

t.test('a body that two readers could read differently is refused before anything is decided', async (t) => {
  const twice = await chat({ body: '{"model":"gpt-4","messages":[],"model":"sim-small"}' });
  t.equal(twice.status, 400);
  t.match(await recorded(idOf(twice)), { status: 'blocked', tenant: 'acme' });
  const surrogate = await chat({ key: secrets.HOC_KEY_FEW, body: '{"model":"x\\ud800","messages":[]}' });
  t.equal(surrogate.status, 400);
  t.ok(await recorded(idOf(surrogate)));
  for (let call = 0; call < 3; call += 1) t.equal((await chat({ key: secrets.HOC_KEY_FEW })).status, 200);
  t.equal((await chat({ key: secrets.HOC_KEY_FEW })).status, 429, 'a refused body took nothing from the limit');
});

t.test('a body that is small on the wire and dear to read is refused', async (t) => {
  const body = gzipSync(`{"model":"sim-small","messages":[${'[],'.repeat(2_000_000)}[]]}`);
  const response = await chat({ body, headers: { 'content-encoding': 'gzip' } });
  t.equal(response.status, 400);
});

t.test('a HOC key never reaches a provider, wherever else the caller put it', async (t) => {
  const key = secrets.HOC_KEY_APP;
  const shapes: Call[] = [
    { headers: { 'x-hoc-key': key, authorization: key } },
    { headers: { 'x-hoc-key': key, authorization: `Bearer\t${key}` } },
    { headers: { 'x-hoc-key': key, authorization: `Basic ${key}` } },
    { headers: { 'x-hoc-key': key, 'x-api-key': `Bearer ${key}` } },
    { query: `?KEY=${key}` },
    { query: `?k%65y=${key}` },
  ];
  for (const shape of shapes) {
    const response = await chat(shape);
    t.equal(response.status, 200, JSON.stringify(Object.keys(shape.headers ?? shape)));
    t.notMatch(await lastRequest(), key);
  }
  const refused: Call[] = [
    { headers: { 'x-api-key': key, authorization: secrets.HOC_KEY_OTHER } },
    { headers: { 'x-api-key': key, authorization: 'Basic Zm9v' } },
    { headers: { cookie: `k=${key}` } },
    { query: `?api_key=${key}` },
    { query: `?x=1;key=${key}` },
  ];
  for (const shape of refused)
    t.equal((await chat(shape)).status, 400, JSON.stringify(shape.query ?? Object.keys(shape.headers ?? {})));
});

t.test('a credential from the vault takes the place of the key, and the provider sees it once', async (t) => {
  const key = secrets.HOC_KEY_OTHER;
  const places: Call[] = [
    { headers: { authorization: `Bearer ${key}` } },
    { headers: { 'x-hoc-key': key, authorization: 'Bearer ' } },
    { headers: { 'x-hoc-key': key } },
  ];
  for (const place of places) {
    t.equal((await chat({ slug: 'vaulted', ...place })).status, 200);
    t.equal((await lastRequest()).match(/"authorization"/gi)?.length, 1);
    t.match(await lastRequest(), `Bearer ${secrets.VAULTED}`);
  }
  await fetch(`${hoc.proxy}/vaulted/v1/chat/completions?key=${key}`, { method: 'POST', body: small });
  t.match(await lastRequest(), `?key=${secrets.VAULTED}`);
});

t.test(
  'an answer that could not be read is charged at its worst case, and more than was reserved is marked',
  async (t) => {
    const large = await chat({ headers: { 'x-simulator-fault': 'size:6000000' } });
    await large.arrayBuffer();
    const unread = await recorded(idOf(large));
    t.match(unread, { usage_source: 'estimated', marks: ['usage_missing'] });
    t.equal(unread.cost_nano_usd, unread.reserved_nano_usd);
    const usage = (tokens: number) =>
      `{"model":"m","choices":[],"usage":{"prompt_tokens":${tokens},"completion_tokens":${tokens}}}`;
    const send = (body: string) => {
      answer = Buffer.from(
        `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      return chat({ slug: 'raw' });
    };
    t.same((await recorded(idOf(await send(usage(5000))))).marks, ['overrun']);
    const absurd = await recorded(idOf(await send(usage(9_000_000_000_000_000))));
    t.match(absurd, { usage_source: 'estimated', cost_nano_usd: absurd.reserved_nano_usd ?? '' });
  },
);

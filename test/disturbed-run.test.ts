import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import {
  type ExportedRun,
  type Installation,
  removeData,
  startInstallation,
  startProcess,
  until,
} from './installation.ts';

t.setTimeout(180_000);

const secrets = { HOC_KEY_APP: randomBytes(24).toString('hex') };
let hoc: Installation;
let simulator: string;

t.before(async () => {
  const process_ = await startProcess('proxy/simulator/main.js', 'runSimulator', {
    HOC_SIMULATOR_LISTEN: '127.0.0.1:0',
    HOC_SIMULATOR_SPEED: 'instant',
  });
  simulator = process_.listen.simulator ?? '';
  hoc = await startInstallation({
    env: secrets,
    yaml: `
tenants:
  - slug: acme
    providers:
      - { slug: openai, baseUrl: "${simulator}", allowPrivate: true, priceAs: simulator, askUsage: never }
      - { slug: asked, baseUrl: "${simulator}", allowPrivate: true, priceAs: simulator, askUsage: always }
    keys:
      - { name: app, secretEnv: HOC_KEY_APP }
    limits:
      - { id: budget, kind: money, ceilingUsd: "100", window: 1d, align: calendar }
`,
  });
  t.teardown(async () => {
    await hoc.stop();
    await process_.stop();
    removeData(hoc.data);
  });
});

interface Call {
  slug?: string;
  fault?: string;
  stream?: boolean;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

function chat(call: Call = {}): Promise<Response> {
  return fetch(`${hoc.proxy}/${call.slug ?? 'openai'}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${secrets.HOC_KEY_APP}`,
      'content-type': 'application/json',
      ...(call.fault === undefined ? {} : { 'x-simulator-fault': call.fault }),
      ...call.headers,
    },
    body: JSON.stringify({
      model: 'sim-small',
      max_tokens: 200,
      messages: [{ role: 'user', content: 'Tell me something.' }],
      ...(call.stream ? { stream: true } : {}),
    }),
    ...(call.signal === undefined ? {} : { signal: call.signal }),
  });
}

async function recorded(id: string | null): Promise<ExportedRun> {
  const find = (runs: ExportedRun[]) => runs.find((run) => run.run_id === id && run.status !== 'running');
  const run = find(await hoc.exportRuns((runs) => find(runs) !== undefined));
  if (run === undefined) throw new Error('no such run');
  return run;
}

const idOf = (answer: Response) => answer.headers.get('x-hoc-run-id');

t.test("a provider's own error passes through byte for byte and costs nothing", async (t) => {
  for (const status of [400, 401, 429, 500, 503]) {
    const answer = await chat({ fault: `status:${status}` });
    t.equal(answer.status, status);
    t.notOk(answer.headers.get('x-hoc-code'), 'it is not a refusal of ours');
    await answer.text();
    t.match(await recorded(idOf(answer)), {
      status: 'failed',
      outcome: 'failure',
      verdict: 'allow',
      cost_nano_usd: '0',
      usage_source: 'none',
    });
  }
});

t.test(
  'an answer that breaks off is a failed run with a bounded estimate, and the caller sees the break',
  async (t) => {
    const answer = await chat({ fault: 'cut', stream: true });
    await t.rejects(answer.text());
    const run = await recorded(idOf(answer));
    t.match(run, { status: 'failed', usage_source: 'estimated', input_tokens: null });
    t.ok(BigInt(run.cost_nano_usd ?? '-1') >= 0n);
    t.ok(BigInt(run.cost_nano_usd ?? '0') <= BigInt(run.reserved_nano_usd ?? '0'));
  },
);

t.test('a caller that leaves ends the exchange with the provider, and is billed once and boundedly', async (t) => {
  const leaving = new AbortController();
  const answer = await chat({ fault: 'endless', stream: true, signal: leaving.signal });
  const id = idOf(answer);
  const reader = answer.body?.getReader();
  await reader?.read();
  leaving.abort();
  const run = await recorded(id);
  t.match(run, { status: 'cancelled', outcome: 'success', usage_source: 'estimated' });
  t.ok(BigInt(run.cost_nano_usd ?? '0') <= BigInt(run.reserved_nano_usd ?? '0'));
  const rows = await hoc.exportRuns(() => true);
  t.equal(rows.filter((row) => row.run_id === id).length, 1);
});

t.test('a caller that leaves before the answer begins is a cancelled run', async () => {
  const before = (await hoc.exportRuns(() => true)).filter((run) => run.status === 'cancelled').length;
  const leaving = new AbortController();
  const pending = chat({ fault: 'delay-head:5000', signal: leaving.signal }).catch(() => undefined);
  const open = async () => /hoc_runs_open\{[^}]*\} 1\b|hoc_runs_open 1\b/.test(await hoc.metrics());
  await until(open, 'the run to be under way');
  leaving.abort();
  await pending;
  await hoc.exportRuns((runs) => runs.filter((run) => run.status === 'cancelled').length === before + 1);
});

t.test('a compressed stream passes compressed, and its usage is read', async (t) => {
  const url = new URL(hoc.proxy);
  const body = JSON.stringify({
    model: 'sim-small',
    stream: true,
    stream_options: { include_usage: true },
    messages: [{ role: 'user', content: 'x' }],
  });
  const raw = await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(url.port), url.hostname, () => {
      socket.write(
        `POST /openai/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${secrets.HOC_KEY_APP}\r\ncontent-type: application/json\r\n` +
          `accept-encoding: gzip\r\nx-simulator-fault: gzip\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
    });
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('end', () => resolve(Buffer.concat(chunks)));
    socket.on('error', reject);
  });
  const text = raw.toString('latin1');
  const headEnd = text.indexOf('\r\n\r\n');
  t.match(text.slice(0, headEnd), /content-encoding: gzip/i);
  const decoded = gunzipSync(dechunk(raw.subarray(headEnd + 4))).toString();
  t.match(decoded, /data: \[DONE\]/);
  const id = /x-hoc-run-id: (\S+)/i.exec(text)?.[1] ?? null;
  const run = await recorded(id);
  t.match(run, { status: 'succeeded', usage_source: 'provider', marks: [] });
});

t.test('usage that was asked for is read, marked, and taken out of the answer again', async (t) => {
  const plain = await (await chat({ stream: true })).text();
  const answer = await chat({ slug: 'asked', stream: true });
  const text = await answer.text();
  t.notMatch(text, '"usage"');
  const shape = (body: string) => body.replace(/chatcmpl-\w+/g, 'id').replace(/"created":\d+/g, '');
  t.equal(shape(text), shape(plain));
  t.match(await recorded(idOf(answer)), { usage_source: 'provider', marks: ['usage_asked'], altered: true });
});

t.test('a stream without usage is estimated, bounded by its reservation, and marked', async (t) => {
  const answer = await chat({ stream: true });
  await answer.text();
  const run = await recorded(idOf(answer));
  t.match(run, { status: 'succeeded', usage_source: 'estimated', marks: ['usage_missing'], output_tokens: null });
  t.ok(BigInt(run.cost_nano_usd ?? '0') > 0n);
  t.ok(BigInt(run.cost_nano_usd ?? '0') <= BigInt(run.reserved_nano_usd ?? '0'));
});

function dechunk(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    const size = Number.parseInt(bytes.subarray(at, lineEnd).toString(), 16);
    if (!(size > 0)) return Buffer.concat(parts);
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}

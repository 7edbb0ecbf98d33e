import { randomBytes } from 'node:crypto';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
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

const secrets = {
  HOC_KEY_APP: randomBytes(24).toString('hex'),
  HOC_KEY_CAPPED: randomBytes(24).toString('hex'),
  HOC_KEY_POOR: randomBytes(24).toString('hex'),
  HOC_KEY_QUIET: randomBytes(24).toString('hex'),
};

function configuration(simulator: string): string {
  const provider = (slug: string, priceAs = 'simulator') =>
    `{ slug: ${slug}, baseUrl: "${simulator}", allowPrivate: true, askUsage: never, priceAs: ${priceAs} }`;
  return `
tenants:
  - slug: acme
    subTenants: [{ slug: research }]
    providers:
      - ${provider('openai')}
      - ${provider('anthropic')}
      - { slug: dead, baseUrl: "http://127.0.0.1:1", allowPrivate: true }
      - { slug: guarded, baseUrl: "${simulator}" }
    keys:
      - { name: app, secretEnv: HOC_KEY_APP, subTenant: research }
      - { name: capped, secretEnv: HOC_KEY_CAPPED, provider: openai, actor: "service:capped" }
      - { name: poor, secretEnv: HOC_KEY_POOR }
    policies:
      - { id: no-big-models, phase: request, when: { "in": [{ "var": "request.model" }, ["gpt-4"]] }, then: { action: deny, reason: "Use a small model" } }
      - { id: large-is-dear, phase: request, when: { "==": [{ "var": "request.model" }, "sim-large"] }, then: { action: warn, reason: "sim-large is dear" } }
      - { id: mark-tools, phase: request, when: { ">": [{ "var": "request.tool_count" }, 0] }, then: { action: tag, tags: { tools: "yes" } } }
      - { id: shadow-all, phase: request, mode: shadow, when: { "==": [1, 1] }, then: { action: deny, reason: "would stop everything" } }
    limits:
      - { id: capped-rpm, kind: requests, ceiling: 5, window: 1h, align: rolling, by: [key], match: { key: capped } }
      - { id: poor-budget, kind: money, ceilingUsd: "0.001", window: 1d, align: calendar, by: [key], match: { key: poor } }
  - slug: quiet
    capture: metadata
    providers:
      - ${provider('openai')}
    keys:
      - { name: quiet, secretEnv: HOC_KEY_QUIET }
`;
}

let hoc: Installation;
let simulator: string;
let ask: (key: string, extra?: Record<string, string>) => OpenAI;
const messages = [{ role: 'user' as const, content: 'Say something short.' }];

t.before(async () => {
  const process_ = await startProcess('proxy/simulator/main.js', 'runSimulator', {
    HOC_SIMULATOR_LISTEN: '127.0.0.1:0',
    HOC_SIMULATOR_SPEED: 'instant',
  });
  simulator = process_.listen.simulator ?? Object.values(process_.listen)[0] ?? '';
  hoc = await startInstallation({ yaml: configuration(simulator), env: secrets });
  ask = (apiKey, defaultHeaders) =>
    new OpenAI({
      apiKey,
      baseURL: `${hoc.proxy}/openai/v1`,
      maxRetries: 0,
      ...(defaultHeaders ? { defaultHeaders } : {}),
    });
  t.teardown(async () => {
    await hoc.stop();
    await process_.stop();
    removeData(hoc.data);
  });
});

const byId = (runs: readonly ExportedRun[], id: string | null) => runs.find((run) => run.run_id === id);

async function recorded(id: string | null): Promise<ExportedRun> {
  const done = (runs: ExportedRun[]) => byId(runs, id)?.status !== undefined && byId(runs, id)?.status !== 'running';
  const run = byId(await hoc.exportRuns(done), id);
  if (run === undefined) throw new Error(`no run ${id}`);
  return run;
}

type ClientError = (InstanceType<typeof OpenAI.APIError> | InstanceType<typeof Anthropic.APIError>) & {
  code?: unknown;
};

async function failure(act: Promise<unknown>): Promise<ClientError> {
  try {
    await act;
  } catch (error) {
    if (error instanceof OpenAI.APIError || error instanceof Anthropic.APIError) return error;
    throw error;
  }
  throw new Error('the call was not refused');
}

t.test('the official OpenAI client chats, streams and calls tools through the proxy', async (t) => {
  const client = ask(secrets.HOC_KEY_APP, {
    'x-hoc-actor': 'user-a',
    'x-hoc-session': 's-1',
    'x-hoc-tags': 'team=search,env=prod',
  });
  const { data, response } = await client.chat.completions.create({ model: 'sim-small', messages }).withResponse();
  t.ok(data.choices[0]?.message.content);
  const run = await recorded(response.headers.get('x-hoc-run-id'));
  t.match(run, {
    tenant: 'acme',
    sub_tenant: 'research',
    actor_type: 'human',
    actor_id: 'user-a',
    actor_source: 'asserted',
    session_id: 's-1',
    tags: { team: 'search', env: 'prod' },
    provider: 'openai',
    dialect: 'openai-chat',
    model: 'sim-small',
    status: 'succeeded',
    outcome: 'success',
    verdict: 'allow',
    usage_source: 'provider',
    input_tokens: data.usage?.prompt_tokens ?? -1,
    output_tokens: data.usage?.completion_tokens ?? -1,
    count: 1,
  });
  t.match(run.snapshot_id, /^[0-9a-f]{64}$/);
  t.match(run.context_digest, /^[0-9a-f]{64}$/);
  t.match(run.decision_digest, /^[0-9a-f]{64}$/);

  const stream = await client.chat.completions.create({
    model: 'sim-small',
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  t.ok(text.length > 0);

  const tool = {
    type: 'function' as const,
    function: { name: 'weather', parameters: { type: 'object', properties: {} } },
  };
  const called = await client.chat.completions
    .create({ model: 'sim-small', messages: [{ role: 'user', content: 'call weather' }], tools: [tool] })
    .withResponse();
  t.equal(called.data.choices[0]?.message.tool_calls?.length, 1);
  const tagged = await recorded(called.response.headers.get('x-hoc-run-id'));
  t.match(tagged, { verdict: 'tag', decided_by: 'policy:mark-tools@1' });
  t.equal(tagged.tags.tools, 'yes');
});

t.test('the official Anthropic client chats, streams and calls tools through the proxy', async (t) => {
  const client = new Anthropic({ apiKey: secrets.HOC_KEY_APP, baseURL: `${hoc.proxy}/anthropic`, maxRetries: 0 });
  const { data, response } = await client.messages
    .create({ model: 'sim-small', max_tokens: 100, messages })
    .withResponse();
  const run = await recorded(response.headers.get('x-hoc-run-id'));
  t.match(run, {
    dialect: 'anthropic-messages',
    provider: 'anthropic',
    output_tokens: data.usage.output_tokens,
    status: 'succeeded',
  });
  const final = await client.messages.stream({ model: 'sim-small', max_tokens: 100, messages }).finalMessage();
  t.equal(final.stop_reason, 'end_turn');
  const tools = [{ name: 'weather', input_schema: { type: 'object' as const } }];
  const called = await client.messages.create({
    model: 'sim-small',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'call weather' }],
    tools,
  });
  t.equal(called.stop_reason, 'tool_use');
});

t.test(
  "each refusal raises the client's own error class, names its code, and stands on record under its run id",
  async (t) => {
    const client = ask(secrets.HOC_KEY_APP);
    const denied = await failure(client.chat.completions.create({ model: 'gpt-4', messages }));
    t.ok(denied instanceof OpenAI.PermissionDeniedError);
    t.equal(denied.code, 'policy_denied');
    t.match(denied.message, /no-big-models v1: Use a small model/);
    t.equal(denied.headers?.get('x-hoc-code'), 'policy_denied');
    t.equal(denied.headers?.get('x-should-retry'), 'false');
    t.match(await recorded(denied.headers?.get('x-hoc-run-id') ?? null), {
      status: 'blocked',
      outcome: 'prevented',
      verdict: 'deny',
      decided_by: 'policy:no-big-models@1',
      cost_nano_usd: '0',
    });
    const anthropic = new Anthropic({ apiKey: secrets.HOC_KEY_APP, baseURL: `${hoc.proxy}/anthropic`, maxRetries: 0 });
    const native = await failure(anthropic.messages.create({ model: 'gpt-4', max_tokens: 5, messages }));
    t.ok(native instanceof Anthropic.PermissionDeniedError);
    t.equal(native.headers?.get('x-hoc-code'), 'policy_denied');

    const unknown = await failure(ask('x'.repeat(40)).chat.completions.create({ model: 'sim-small', messages }));
    t.ok(unknown instanceof OpenAI.AuthenticationError);
    t.equal(unknown.code, 'key_invalid');
    t.match(await recorded(unknown.headers?.get('x-hoc-run-id') ?? null), {
      tenant: null,
      decided_by: null,
      status: 'blocked',
    });

    const elsewhere = new OpenAI({
      apiKey: secrets.HOC_KEY_CAPPED,
      baseURL: `${hoc.proxy}/anthropic/v1`,
      maxRetries: 0,
    });
    const scoped = await failure(elsewhere.chat.completions.create({ model: 'sim-small', messages }));
    t.equal(scoped.headers?.get('x-hoc-code'), 'scope_denied');

    const nowhere = new OpenAI({ apiKey: secrets.HOC_KEY_APP, baseURL: `${hoc.proxy}/nowhere/v1`, maxRetries: 0 });
    const missing = await failure(nowhere.chat.completions.create({ model: 'sim-small', messages }));
    t.ok(missing instanceof OpenAI.NotFoundError);
    t.equal(missing.headers?.get('x-hoc-code'), 'provider_unknown');
  },
);

t.test('a warning lets the run through and names its policy; a shadow policy changes nothing', async (t) => {
  const { response } = await ask(secrets.HOC_KEY_APP)
    .chat.completions.create({ model: 'sim-large', messages })
    .withResponse();
  t.match(await recorded(response.headers.get('x-hoc-run-id')), {
    verdict: 'warn',
    decided_by: 'policy:large-is-dear@1',
    status: 'succeeded',
  });
});

t.test(
  'a requests limit admits exactly its ceiling, then refuses with its reading and when to try again',
  async (t) => {
    const client = ask(secrets.HOC_KEY_CAPPED);
    const settled = await Promise.allSettled(
      Array.from({ length: 12 }, () => client.chat.completions.create({ model: 'sim-small', messages })),
    );
    t.equal(settled.filter((result) => result.status === 'fulfilled').length, 5);
    const refused = await failure(client.chat.completions.create({ model: 'sim-small', messages }));
    t.ok(refused instanceof OpenAI.RateLimitError);
    t.equal(refused.code, 'limit_exceeded');
    t.match(refused.message, /capped-rpm.*5/);
    t.ok(Number(refused.headers?.get('retry-after')) > 0);
    const run = await recorded(refused.headers?.get('x-hoc-run-id') ?? null);
    const shown = await hoc.hoc('runs', 'show', run.run_id);
    t.match(shown.stdout, /decide\s+allow:[0-9a-f]{64}/, 'the digest of the earlier phase stands in the events');
    t.notMatch(shown.stdout, `allow:${run.decision_digest}`, 'the digest on record is that of the refusing phase');
    t.match(run, {
      decided_by: 'limit:capped-rpm',
      proximity: 'breach',
      actor_type: 'service',
      actor_id: 'capped',
      actor_source: 'verified',
    });
  },
);

t.test('a money limit never lets the reserved worst case pass its ceiling, and settles to the real cost', async (t) => {
  const client = ask(secrets.HOC_KEY_POOR);
  const call = () => client.chat.completions.create({ model: 'sim-small', messages, max_tokens: 100 }).withResponse();
  let refused: InstanceType<typeof OpenAI.APIError> | null = null;
  let admitted = 0;
  for (let index = 0; index < 400 && refused === null; index += 1) {
    try {
      await call();
      admitted += 1;
    } catch (error) {
      if (!(error instanceof OpenAI.APIError)) throw error;
      refused = error;
    }
  }
  t.ok(refused instanceof OpenAI.RateLimitError, `${admitted} admitted`);
  const runs = (
    await hoc.exportRuns((all) => byId(all, refused?.headers?.get('x-hoc-run-id') ?? null) !== undefined)
  ).filter((run) => run.key_id !== null && run.decided_by === 'limit:poor-budget');
  t.ok(runs.length > 0);
  const all = await hoc.exportRuns((rows) => rows.every((run) => run.status !== 'running'));
  const poor = all.filter((run) => run.key_id === runs[0]?.key_id && run.status === 'succeeded');
  const spent = poor.reduce((sum, run) => sum + BigInt(run.cost_nano_usd ?? '0'), 0n);
  t.ok(spent <= 1_000_000n, `${spent} nano-USD spent of 1000000`);
  t.ok(poor.every((run) => BigInt(run.reserved_nano_usd ?? '0') >= BigInt(run.cost_nano_usd ?? '0')));
});

t.test('request and answer bytes are the callers and the providers own', async (t) => {
  const body =
    '{ "model":"sim-small" ,"messages":[{"role":"user","content":"h\\u00e9 \\ud83d\\ude00"}], "unknown_field": 1.0e2 }';
  const call = (base: string, key: string) =>
    fetch(`${base}/v1/chat/completions?trace=%20a&b=//`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'x-unknown': 'kept',
        'x-hoc-session': 's',
      },
      body,
    });
  const through = await call(`${hoc.proxy}/openai`, secrets.HOC_KEY_APP);
  t.equal(through.status, 200);
  const seen = (await (await fetch(`${simulator}/simulator/requests?last=1`)).json()) as Record<string, unknown>;
  const text = JSON.stringify(seen);
  t.match(text, Buffer.from(body).toString('base64'));
  t.match(text, '/v1/chat/completions?trace=%20a&b=//');
  t.match(text, 'x-unknown');
  t.notMatch(text, 'x-hoc-');
  t.notMatch(text, secrets.HOC_KEY_APP);
});

t.test(
  'two different keys, and a HOC key beside another credential, are refused before anything is decided',
  async (t) => {
    const call = (headers: Record<string, string>, query = '') =>
      fetch(`${hoc.proxy}/openai/v1/chat/completions${query}`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'sim-small', messages }),
      });
    const app = secrets.HOC_KEY_APP;
    t.equal((await call({ authorization: `Bearer ${app}`, 'x-api-key': secrets.HOC_KEY_POOR })).status, 400);
    t.equal((await call({ authorization: `Bearer ${app}`, 'x-api-key': 'something-else' })).status, 400);
    t.equal((await call({ 'x-hoc-key': app, authorization: 'Bearer providers-own' })).status, 200);
    for (const headers of [
      { authorization: `Bearer ${app}` },
      { 'x-api-key': app },
      { 'x-goog-api-key': app },
      { 'api-key': app },
    ] as Record<string, string>[]) {
      t.equal((await call(headers)).status, 200, Object.keys(headers).join());
    }
    t.equal((await call({}, `?key=${app}&a=1`)).status, 200);
    const seen = await (await fetch(`${simulator}/simulator/requests?last=1`)).text();
    t.match(seen, '/v1/chat/completions?a=1');
  },
);

t.test(
  'a provider that cannot be reached is a failed run and a native error; a private one is never connected to',
  async (t) => {
    const call = (slug: string) =>
      failure(
        new OpenAI({
          apiKey: secrets.HOC_KEY_APP,
          baseURL: `${hoc.proxy}/${slug}/v1`,
          maxRetries: 0,
        }).chat.completions.create({ model: 'sim-small', messages }),
      );
    const dead = await call('dead');
    t.equal(dead.status, 502);
    t.match(await recorded(dead.headers?.get('x-hoc-run-id') ?? null), { status: 'failed', outcome: 'failure' });
    t.match((await call('guarded')).message, /private or loopback/);
  },
);

t.test('payloads are kept under capture full and never under metadata', async (t) => {
  const marker = `canary-${randomBytes(8).toString('hex')}`;
  const say = async (key: string) => {
    const { response } = await ask(key)
      .chat.completions.create({ model: 'sim-small', messages: [{ role: 'user', content: marker }] })
      .withResponse();
    const id = response.headers.get('x-hoc-run-id') ?? '';
    await recorded(id);
    return hoc.hoc('runs', 'show', id, '--json');
  };
  const full = await say(secrets.HOC_KEY_APP);
  t.equal(full.code, 0, full.stderr);
  t.match(full.stdout, marker);
  const quiet = await say(secrets.HOC_KEY_QUIET);
  t.equal(quiet.code, 0, quiet.stderr);
  t.notMatch(quiet.stdout, marker);
});

t.test('a revoked key is refused within a second', async (t) => {
  const created = await hoc.hoc('keys', 'create', '--tenant', 'acme', '--name', 'short-lived', '--json');
  t.equal(created.code, 0, created.stderr);
  const { id, secret } = JSON.parse(created.stdout) as { id: string; secret: string };
  const call = async () => {
    const body = JSON.stringify({ model: 'sim-small', messages });
    const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' };
    return (await fetch(`${hoc.proxy}/openai/v1/chat/completions`, { method: 'POST', headers, body })).status;
  };
  await until(async () => (await call()) === 200, 'the new key to be in force', 2000);
  const revoked = await hoc.hoc('keys', 'revoke', id, '--json');
  t.equal(revoked.code, 0, revoked.stderr);
  await until(async () => (await call()) === 401, 'the key to be refused', 1000);
});

t.test("records, Prometheus and the simulator's own ledger agree to the token and the nano-USD", async (t) => {
  const ledger = (await (await fetch(`${simulator}/simulator/ledger`)).json()) as {
    entries: { input_tokens: number; output_tokens: number; cost_nano_usd: string }[];
  };
  const metrics = await hoc.metrics();
  const metric = (name: string, filter: RegExp = /./) =>
    metrics
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) && filter.test(line))
      .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  const counted = metric('hoc_runs_total');
  const complete = (rows: ExportedRun[]) =>
    rows.every((run) => run.status !== 'running') && rows.reduce((total, run) => total + run.count, 0) === counted;
  const runs = await hoc.exportRuns(complete);
  const billed = runs.filter((run) => run.usage_source === 'provider');
  const sum = (values: (number | null)[]) => values.reduce<number>((total, value) => total + (value ?? 0), 0);
  t.equal(billed.length, ledger.entries.length);
  t.equal(sum(billed.map((run) => run.input_tokens)), sum(ledger.entries.map((entry) => entry.input_tokens)));
  t.equal(sum(billed.map((run) => run.output_tokens)), sum(ledger.entries.map((entry) => entry.output_tokens)));
  const cost = billed.reduce((total, run) => total + BigInt(run.cost_nano_usd ?? '0'), 0n);
  t.equal(
    cost,
    ledger.entries.reduce((total, entry) => total + BigInt(entry.cost_nano_usd), 0n),
  );
  t.equal(metric('hoc_tokens_total', /direction="input"/), sum(billed.map((run) => run.input_tokens)));
  t.equal(metric('hoc_tokens_total', /direction="output"/), sum(billed.map((run) => run.output_tokens)));
  t.equal(metric('hoc_cost_nano_usd_total'), Number(cost));
  t.equal(new Set(runs.map((run) => run.run_id)).size, runs.length, 'no run stands twice');
});

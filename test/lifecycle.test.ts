import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import t from 'tap';
import { removeData, startInstallation, startProcess, until } from './installation.ts';

t.setTimeout(180_000);

const secrets = { HOC_KEY_APP: randomBytes(24).toString('hex') };
const messages = [{ role: 'user' as const, content: 'Tell me a longer story, please.' }];

const configuration = (simulator: string, model = 'gpt-4') => `
tenants:
  - slug: acme
    providers:
      - { slug: openai, baseUrl: "${simulator}", allowPrivate: true, priceAs: simulator }
    keys:
      - { name: app, secretEnv: HOC_KEY_APP }
    policies:
      - { id: no-big-models, phase: request, when: { "==": [{ "var": "request.model" }, "${model}"] }, then: { action: deny, reason: "Use a small model" } }
    limits:
      - { id: app-rph, kind: requests, ceiling: 1000, window: 1h, align: rolling, by: [key] }
`;

function isFree(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(Number(new URL(url).port), '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

t.test(
  'a stop drains: an open stream ends whole, the ports are free, and a restart keeps every record and key',
  async (t) => {
    const slow = await startProcess('proxy/simulator/main.js', 'runSimulator', { HOC_SIMULATOR_LISTEN: '127.0.0.1:0' });
    const simulator = slow.listen.simulator ?? Object.values(slow.listen)[0] ?? '';
    const data = mkdtempSync(join(tmpdir(), 'hoc-life-'));
    t.teardown(async () => {
      await slow.stop();
      removeData(data);
    });
    const first = await startInstallation({ yaml: configuration(simulator), env: secrets, data });
    t.equal(statSync(join(data, 'run.json')).mode & 0o777, 0o600);
    const client = new OpenAI({ apiKey: secrets.HOC_KEY_APP, baseURL: `${first.proxy}/openai/v1`, maxRetries: 0 });
    const { data: stream, response } = await client.chat.completions
      .create({ model: 'sim-small', messages, stream: true })
      .withResponse();
    const id = response.headers.get('x-hoc-run-id');
    let finish: string | null = null;
    let stopped: Promise<number | null> | null = null;
    for await (const chunk of stream) {
      stopped ??= first.stop();
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    t.equal(finish, 'stop', 'the stream was not cut');
    t.equal(await stopped, 0);
    for (const url of [first.proxy, first.console, first.admin]) t.ok(await isFree(url), url);

    const second = await startInstallation({ yaml: configuration(simulator), env: secrets, data });
    t.teardown(() => second.stop());
    const runs = await second.exportRuns((rows) => rows.some((run) => run.run_id === id && run.status === 'succeeded'));
    t.equal(runs.filter((run) => run.run_id === id).length, 1);
    const again = new OpenAI({ apiKey: secrets.HOC_KEY_APP, baseURL: `${second.proxy}/openai/v1`, maxRetries: 0 });
    t.ok((await again.chat.completions.create({ model: 'sim-small', messages })).choices[0]);
  },
);

t.test('a change applies whole, is in force within a second, and a second apply changes nothing', async (t) => {
  const fast = await startProcess('proxy/simulator/main.js', 'runSimulator', {
    HOC_SIMULATOR_LISTEN: '127.0.0.1:0',
    HOC_SIMULATOR_SPEED: 'instant',
  });
  const simulator = fast.listen.simulator ?? Object.values(fast.listen)[0] ?? '';
  const hoc = await startInstallation({ yaml: configuration(simulator), env: secrets });
  t.teardown(async () => {
    await hoc.stop();
    await fast.stop();
    removeData(hoc.data);
  });
  const status = async () => {
    const answer = await fetch(`${hoc.proxy}/openai/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secrets.HOC_KEY_APP}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'sim-large', messages }),
    });
    await answer.arrayBuffer();
    return answer.status;
  };
  t.equal(await status(), 200);
  t.equal((await hoc.apply(configuration(simulator, 'sim-large'))).code, 0);
  await until(async () => (await status()) === 403, 'the policy to be in force', 1000);

  const broken = configuration(simulator, 'sim-small').replace('kind: requests', 'kind: nonsense');
  const refused = await hoc.apply(broken);
  t.equal(refused.code, 2);
  t.match(refused.stderr + refused.stdout, /test\.yaml:\d+.*limits/s);
  t.equal(await status(), 403, 'nothing of a faulty file takes effect');
  t.notMatch(refused.stderr + refused.stdout, secrets.HOC_KEY_APP);
});

t.test('the starter installation prints a call that works at once', async (t) => {
  const hoc = await startInstallation({});
  t.teardown(async () => {
    await hoc.stop();
    removeData(hoc.data);
  });
  t.ok(existsSync(join(hoc.data, 'hoc.yaml')));
  const created = await hoc.hoc('keys', 'list', '--json');
  t.equal(created.code, 0, created.stderr);
  t.match(created.stdout, 'first');
});

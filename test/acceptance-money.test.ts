import t from 'tap';
import { readCharges } from './faults/charges.ts';
import { type RawProvider, type ReportedUsage, startRawProvider } from './faults/raw-provider.ts';
import { type Stage, startStage } from './faults/stage.ts';
import type { ExportedRun } from './installation.ts';

t.setTimeout(180_000);

let stage: Stage;
let raw: RawProvider;
const ceilings = { day: '1' };

t.before(async () => {
  raw = await startRawProvider();
  t.teardown(() => raw.close());
  stage = await startStage({
    keys: ['poor', 'asking', 'near', 'few', 'capped', 'unknown', 'stated', 'talker', 'free'],
    providers: [
      `{ slug: raw, baseUrl: "${raw.url}", allowPrivate: true, priceAs: simulator, askUsage: never }`,
      `{ slug: nowhere-priced, baseUrl: "${raw.url}", allowPrivate: true, askUsage: never }`,
    ],
    tenant: `
    limits:
      - { id: everything, kind: requests, ceiling: 1000000, window: 1d, align: rolling }
      - { id: money, kind: money, ceilingUsd: "${ceilings.day}", window: 1d, align: calendar, unpriced: { ceilingUsd: "0.01" }, match: { key: stated } }
      - { id: strict-money, kind: money, ceilingUsd: "1", window: 1d, align: calendar, match: { key: unknown } }
      - { id: budget, kind: money, ceilingUsd: "1", window: 1mo, align: calendar, match: { key: app } }
      - { id: near-requests, kind: requests, ceiling: 10, window: 1d, align: calendar, match: { key: near } }
      - { id: few-requests, kind: requests, ceiling: 3, window: 1d, align: rolling, match: { key: few } }
      - { id: talker-tokens, kind: tokens, counts: total, ceiling: 100000, window: 1d, align: rolling, match: { key: talker } }`,
  });
  t.teardown(() => stage.stop());
});

const prompt = 'Tell me something long, please, and do not stop too early.';

interface Ask {
  slug?: string;
  path?: string;
  key?: string;
  stream?: boolean;
  body?: Record<string, unknown>;
  raw?: { usage: ReportedUsage[]; text?: string };
}

/** Sends one call and answers its response with its text. */
async function ask(input: Ask = {}): Promise<{ status: number; id: string | null; code: string | null; text: string }> {
  const { slug = 'sim', path = '/v1/chat/completions', key = 'app', stream = false } = input;
  const anthropic = path.endsWith('/messages');
  const usage = stream && !anthropic ? { stream_options: { include_usage: true } } : {};
  const response = await fetch(`${stage.hoc.proxy}/${slug}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${stage.keys[key]}`,
      'content-type': 'application/json',
      ...(input.raw === undefined ? {} : { 'x-raw': JSON.stringify(input.raw) }),
    },
    body: JSON.stringify({
      model: 'sim-small',
      messages: [{ role: 'user', content: prompt }],
      ...(stream ? { stream: true, ...usage } : {}),
      ...input.body,
    }),
  });
  const { headers } = response;
  return {
    status: response.status,
    id: headers.get('x-hoc-run-id'),
    code: headers.get('x-hoc-code'),
    text: await response.text(),
  };
}

async function recorded(id: string | null): Promise<ExportedRun> {
  const find = (runs: ExportedRun[]) => runs.find((run) => run.run_id === id && run.status !== 'running');
  const run = find(await stage.hoc.exportRuns((runs) => find(runs) !== undefined));
  if (run === undefined) throw new Error('no such run');
  return run;
}

/** A metric's samples added up, of those whose labels hold the given text. */
async function metric(name: string, labels = ''): Promise<number> {
  const lines = (await stage.hoc.metrics()).split('\n');
  return lines
    .filter((line) => line.startsWith(`${name}{`) && line.includes(labels))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

t.test('1: an exchange costs the same streamed and whole, in every dialect', async (t) => {
  for (const path of ['/v1/chat/completions', '/v1/messages']) {
    const body = { max_tokens: 200 };
    const whole = await recorded((await ask({ path, body })).id);
    const streamed = await recorded((await ask({ path, body, stream: true })).id);
    t.equal(whole.usage_source, 'provider', path);
    t.ok(BigInt(whole.cost_nano_usd ?? '0') > 0n);
    for (const field of ['input_tokens', 'output_tokens', 'cost_nano_usd'] as const)
      t.equal(streamed[field], whole[field], `${path} ${field}`);
  }
});

t.test(
  '2: a run of unknown price is marked and counted, never free; under a money limit it is refused or bounded',
  async (t) => {
    const usage = [{ prompt_tokens: 10, completion_tokens: 5 }];
    const before = await metric('hoc_run_marks_total', 'mark="unpriced"');
    const free = await recorded(
      (await ask({ slug: 'nowhere-priced', key: 'talker', body: { model: 'no-such', max_tokens: 10 }, raw: { usage } }))
        .id,
    );
    t.equal(free.cost_nano_usd, null, 'not zero');
    t.ok(free.marks.includes('unpriced'));
    t.ok((await metric('hoc_run_marks_total', 'mark="unpriced"')) > before, 'a metric to alert on');
    const refused = await ask({
      slug: 'nowhere-priced',
      key: 'unknown',
      body: { model: 'no-such', max_tokens: 10 },
      raw: { usage },
    });
    t.equal(refused.code, 'limit_exceeded');
    t.match(refused.text, /price/);
    const bounded = await ask({
      slug: 'nowhere-priced',
      key: 'stated',
      body: { model: 'no-such', max_tokens: 10 },
      raw: { usage },
    });
    t.equal(bounded.status, 200);
    const run = await recorded(bounded.id);
    t.equal(run.reserved_nano_usd, '10000000', 'the stated ceiling');
    const charge = (await readCharges(stage.hoc, 'money')).find(({ runId }) => runId === run.run_id);
    t.equal(charge?.settled, 10_000_000n, 'and it is what the run took');
  },
);

t.test("4: without an output cap the model's own cap is reserved", async (t) => {
  const small = await recorded((await ask({ body: { max_tokens: 10 } })).id);
  const open = await recorded((await ask()).id);
  // sim-small: 16,384 tokens at 0.60 USD a million.
  const difference = BigInt(open.reserved_nano_usd ?? '0') - BigInt(small.reserved_nano_usd ?? '0');
  t.ok(difference >= 16_374n * 600n - 600n * 20n, `${difference}`);
});

t.test('6: a refusal names the reading that stands on record for it', async (t) => {
  for (let call = 0; call < 3; call += 1) t.equal((await ask({ key: 'few', body: { max_tokens: 5 } })).status, 200);
  const refused = await ask({ key: 'few', body: { max_tokens: 5 } });
  t.equal(refused.status, 429);
  const run = await recorded(refused.id);
  t.equal(run.decided_by, 'limit:few-requests');
  const charge = (await readCharges(stage.hoc, 'few-requests')).find(({ runId }) => runId === run.run_id);
  t.match(refused.text, `${charge?.taken} of ${charge?.ceiling} requests used`);
  t.equal(charge?.ceiling, 3n);
});

t.test('7: every route is metered, also one that no dialect reads', async (t) => {
  const before = await metric('hoc_runs_total');
  for (const [slug, path, key] of [
    ['raw', '/v1/responses', 'free'],
    ['raw', '/anything/at/all?x=1', 'free'],
    ['sim', '/v1/embeddings', 'talker'],
  ] as const) {
    const answer = await ask({ slug, path, key, body: { input: 'x' } });
    const run = await recorded(answer.id);
    t.equal(run.status, 'succeeded', path);
    t.ok(
      (await readCharges(stage.hoc, 'everything')).some(({ runId, settled }) => runId === run.run_id && settled === 1n),
      path,
    );
  }
  const unread = await ask({ slug: 'raw', path: '/v1/responses', key: 'talker', body: { input: 'x' } });
  t.match(unread, { status: 429 }, 'what a format that nobody reads can take is not bounded by its bytes');
  t.match((await recorded(unread.id)).decided_by, 'limit:talker-tokens');
  t.equal((await metric('hoc_runs_total')) - before, 4);
});

t.test('9: cumulative usage is not summed, and cached and reasoning tokens are not counted twice', async (t) => {
  const usage = [
    { prompt_tokens: 1000, completion_tokens: 10 },
    { prompt_tokens: 1000, completion_tokens: 60 },
    {
      prompt_tokens: 1000,
      completion_tokens: 100,
      prompt_tokens_details: { cached_tokens: 400 },
      completion_tokens_details: { reasoning_tokens: 80 },
    },
  ];
  const run = await recorded(
    (await ask({ slug: 'raw', stream: true, body: { model: 'sim-large', max_tokens: 500 }, raw: { usage } })).id,
  );
  t.match(run, { input_tokens: 1000, output_tokens: 100, cached_input_tokens: 400, usage_source: 'provider' });
  // 600 at 2.50, 400 cached at 1.25, 100 at 10 USD a million.
  t.equal(run.cost_nano_usd, String(600 * 2500 + 400 * 1250 + 100 * 10_000));
});

t.test('10: tokens are counted as tokens, and what remains falls with each run', async (t) => {
  const takes: bigint[] = [];
  const tokens: number[] = [];
  for (let call = 0; call < 3; call += 1) {
    const run = await recorded((await ask({ key: 'talker', body: { max_tokens: 50 } })).id);
    tokens.push((run.input_tokens ?? 0) + (run.output_tokens ?? 0));
    const charge = (await readCharges(stage.hoc, 'talker-tokens')).find(({ runId }) => runId === run.run_id);
    t.equal(charge?.settled, BigInt(tokens.at(-1) ?? 0));
    takes.push(charge?.taken ?? 0n);
  }
  t.equal((takes[1] ?? 0n) - (takes[0] ?? 0n), BigInt(tokens[0] ?? 0), 'the counter rose by exactly what the run used');
  t.equal((takes[2] ?? 0n) - (takes[1] ?? 0n), BigInt(tokens[1] ?? 0));
});

t.test('11: missing, zero, negative, repeated or impossible usage is flagged and bounded by an estimate', async (t) => {
  const good = { prompt_tokens: 20, completion_tokens: 4 };
  const flawed: [string, ReportedUsage[]][] = [
    ['missing', []],
    ['zero', [{ prompt_tokens: 0, completion_tokens: 0 }]],
    ['negative', [{ prompt_tokens: -5, completion_tokens: -1 }]],
    ['no numbers', [{ prompt_tokens: 'x', completion_tokens: null }]],
    ['absurd', [{ prompt_tokens: 9_000_000_000_000_000, completion_tokens: 9_000_000_000_000_000 }]],
  ];
  for (const stream of [false, true]) {
    for (const [name, usage] of flawed) {
      const run = await recorded((await ask({ slug: 'raw', stream, body: { max_tokens: 100 }, raw: { usage } })).id);
      const where = `${name}, ${stream ? 'stream' : 'whole'}`;
      t.ok(
        run.marks.some((mark) => mark === 'usage_missing' || mark === 'usage_flawed'),
        `${where}: ${run.marks}`,
      );
      t.equal(run.usage_source, 'estimated', where);
      const cost = BigInt(run.cost_nano_usd ?? '-1');
      t.ok(cost > 0n && cost <= BigInt(run.reserved_nano_usd ?? '0'), `${where}: ${cost} of ${run.reserved_nano_usd}`);
    }
    const twice = await recorded(
      (await ask({ slug: 'raw', stream, body: { max_tokens: 100 }, raw: { usage: [good, good] } })).id,
    );
    t.match(twice, { usage_source: 'provider', input_tokens: 20, output_tokens: 4 });
  }
});

t.test('13: a limit tells once a window that it is near, as an event and a metric', async (t) => {
  for (let call = 0; call < 10; call += 1) t.equal((await ask({ key: 'near', body: { max_tokens: 5 } })).status, 200);
  const refused = await ask({ key: 'near', body: { max_tokens: 5 } });
  t.equal(refused.status, 429);
  await recorded(refused.id);
  const charges = await readCharges(stage.hoc, 'near-requests');
  t.equal(charges.filter(({ near }) => near).length, 1, 'one run brought it there');
  t.equal(charges.find(({ near }) => near)?.taken, 8n, 'at 80 %');
  t.equal(await metric('hoc_limit_near_total', 'limit="near-requests"'), 1);
});

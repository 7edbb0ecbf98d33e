import { gzipSync } from 'node:zlib';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import t from 'tap';
import { createReservations } from '../../storage/redis/index.ts';
import {
  chat,
  chatEnd,
  chatEvent,
  eventStream,
  idOf,
  inputNanoUsd,
  limit,
  modelCap,
  openWorld,
  outputNanoUsd,
  type Provide,
  poll,
  type World,
} from './test-world.ts';

let world: World;
t.before(async () => {
  world = await openWorld();
  t.teardown(() => world.close());
});

/** An event of this text is bounded by 33 tokens: a byte each, and one. */
const text = 'x'.repeat(32);
const perEvent = 33n;
const tokens = (ceiling: number, part = {}) =>
  limit({ id: `o${ceiling}`, kind: 'tokens', unit: 'output_tokens', ceiling: String(ceiling), ...part });

/** Sends events one by one, each once the one before has gone out, until the connection closes or `events` are sent. */
function drip(events: number, end: string): Provide {
  return async (_, response) => {
    let open = true;
    response.on('close', () => {
      open = false;
    });
    response.writeHead(200, eventStream);
    for (let index = 0; index < events && open; index += 1) {
      response.write(chatEvent(text));
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (open) response.end(end);
  };
}

/** What a caller has read so far, and whether its provider has been let go. */
interface Reading {
  events: number;
  closed: boolean;
}

/** Sends each event once the caller has read the one before, however busy the machine is, until the connection closes. */
function stepwise(reading: Reading): Provide {
  return async (_, response) => {
    response.on('close', () => {
      reading.closed = true;
    });
    response.writeHead(200, eventStream);
    for (let sent = 0; !reading.closed; sent += 1) {
      if (sent > reading.events)
        await poll(() => (reading.closed || sent <= reading.events ? true : null), 'the caller');
      if (!reading.closed) response.write(chatEvent(text));
    }
  };
}

async function readEvents(answer: Response, reading: Reading): Promise<string> {
  let body = '';
  for await (const chunk of answer.body ?? []) {
    body += Buffer.from(chunk as Uint8Array).toString();
    reading.events = body.split('\n\n').length - 1;
  }
  return body;
}

const bulk =
  (body: string | Buffer, headers: Record<string, string> = {}): Provide =>
  (_, response) =>
    response.writeHead(200, { ...eventStream, ...headers }).end(body);

t.test('a stream longer than its tranche is topped up ahead of need and passes unchanged, byte for byte', async (t) => {
  const usage = { prompt_tokens: 10, completion_tokens: 700 };
  await world.setLimits([tokens(1_000_000), limit({ id: 'money', kind: 'money', ceiling: '9000000000' })]);
  for (const [name, provide] of [
    ['drip', drip(200, chatEnd(usage))],
    ['bulk', bulk(chatEvent(text).repeat(200) + chatEnd(usage))],
  ] as const) {
    world.provide(provide);
    const answer = await chat(world, { stream: true });
    t.equal(await answer.text(), chatEvent(text).repeat(200) + chatEnd(usage), name);
    const record = await world.finishOf(idOf(answer));
    t.match(record, { status: 'succeeded', usage_source: 'provider', usage: { output_tokens: 700 } });
    t.equal(record.limits[1]?.settled, '700');
    t.ok(BigInt(record.limits[1]?.reserved ?? '0') >= 200n * perEvent, 'all that was released was reserved');
    t.ok(BigInt(record.limits[0]?.reserved ?? '0') >= 200n * perEvent * outputNanoUsd);
    t.notOk(record.marks.includes('overrun'));
  }
  t.ok((world.told.get('topup:granted') ?? 0) >= 2);
  t.match(await world.reading('o1000000'), { used: 1400n, reserved: 0n });
});

t.test('a run that stays within its first reservation asks Redis once', async (t) => {
  const before = world.told.get('topup:granted') ?? 0;
  world.provide(bulk(chatEvent(text).repeat(8) + chatEnd({ prompt_tokens: 1, completion_tokens: 1 })));
  await (await chat(world, { stream: true })).text();
  world.provide(bulk(chatEvent(text).repeat(100) + chatEnd({ prompt_tokens: 1, completion_tokens: 1 })));
  await (await chat(world, { stream: true, max_tokens: 900 })).text();
  t.equal(world.told.get('topup:granted') ?? 0, before, 'a whole cap that is reserved needs no top-up');
});

for (const [name, make] of [
  ['one event at a time', stepwise],
  ['all at once', () => bulk(chatEvent(text).repeat(1000) + chatEnd(null))],
] as const) {
  t.test(
    `a refused top-up uses up what is reserved, cuts between two events and ends the provider: ${name}`,
    async (t) => {
      const ceiling = name === 'all at once' ? 2900 : 3000;
      const reading = { events: 0, closed: false };
      world.provide(make(reading));
      await world.setLimits([tokens(ceiling)]);
      const answer = await chat(world, { stream: true });
      const body = await readEvents(answer, reading);
      const events = body.split('\n\n').filter((event) => event !== '');
      const cut = JSON.parse(events.pop()?.slice('data: '.length) ?? '');
      t.match(cut, { error: { code: 'limit_exceeded', message: new RegExp(`Cut by limit o${ceiling}`) } });
      t.ok(
        events.every((event) => `${event}\n\n` === chatEvent(text)),
        'no event is torn',
      );
      const released = BigInt(events.length) * perEvent;
      t.ok(released <= 2048n && released > 2048n - 512n - perEvent, `used up: ${released} of 2048 were released`);
      const record = await world.finishOf(idOf(answer));
      t.match(record, {
        status: 'truncated',
        outcome: 'prevented',
        proximity: 'breach',
        verdict: 'deny',
        decided_by: `limit:o${ceiling}`,
        refusal_code: 'limit_exceeded',
        reason: cut.error.message,
        usage_source: 'estimated',
        http_status: 200,
        limits: [{ reserved: '2048' }],
      });
      t.match(record.open.decision, { owner: `limit:o${ceiling}`, verdict: 'deny' });
      const [charge] = record.limits;
      const produced = BigInt(charge?.settled ?? '0');
      // What came at once was produced, whether or not it could pass: it is billed, and over the reservation it is told.
      const most = name === 'all at once' ? BigInt(modelCap) : released + 512n + 16n + perEvent;
      t.ok(produced >= released && produced <= most, `${produced} for ${released} released`);
      const overrun = produced > 2048n;
      t.equal(record.marks.includes('overrun'), overrun);
      t.equal(world.told.get(`overrun:o${ceiling}`) ?? 0, overrun ? 1 : 0);
      t.match(await world.reading(`o${ceiling}`), { used: produced, reserved: 0n });
      if (name !== 'all at once') await poll(() => (reading.closed ? true : null), 'the provider to be left');
    },
  );
}

t.test('a stream of even pieces is cut before the one that would pass what is reserved', async (t) => {
  await world.setLimits([tokens(3001)]);
  world.provide(async (_, response) => {
    response.writeHead(200, eventStream);
    for (let index = 0; index < 100 && !response.destroyed; index += 1) {
      response.write(chatEvent(text));
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
  });
  const answer = await chat(world, { stream: true });
  const events = (await answer.text()).split('\n\n').filter((event) => event !== '');
  const { limits, marks, status } = await world.finishOf(idOf(answer));
  t.equal(status, 'truncated');
  t.notOk(marks.includes('overrun'));
  const settled = Number(limits[0]?.settled);
  t.ok(settled <= 2048 && settled > 2048 - 4 * Number(perEvent), `${settled} of 2048 reserved`);
  t.ok((events.length - 1) * Number(perEvent) > 2048 - 5 * Number(perEvent), 'and what is reserved was used up');
});

t.test('the official SDKs raise their error class for a cut stream and do not hang', async (t) => {
  await world.setLimits([tokens(3010)]);
  world.provide(drip(1000, ''));
  const openai = new OpenAI({ apiKey: 'secret', baseURL: `${world.url}/sim/v1`, maxRetries: 0 });
  const stream = await openai.chat.completions.create({
    model: 'sim-1',
    stream: true,
    messages: [{ role: 'user', content: 'hi' }],
  });
  let seen = 0;
  const raised = await (async () => {
    for await (const chunk of stream) seen += chunk.choices.length;
  })().catch((error: unknown) => error);
  t.ok(raised instanceof OpenAI.APIError, String(raised));
  t.ok(seen > 10);

  await world.setLimits([tokens(3020)]);
  world.provide(async (_, response) => {
    const event = (type: string, part: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...part })}\n\n`;
    const message = { id: 'm', type: 'message', role: 'assistant', model: 'sim-1', content: [] };
    response.writeHead(200, eventStream);
    response.write(
      event('message_start', { message: { ...message, usage: { input_tokens: 9, output_tokens: 1 } } }) +
        event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    );
    while (!response.destroyed) {
      response.write(event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } }));
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  const anthropic = new Anthropic({ apiKey: 'secret', baseURL: `${world.url}/sim`, maxRetries: 0 });
  const messages = anthropic.messages.stream({
    model: 'sim-1',
    max_tokens: 8000,
    messages: [{ role: 'user', content: 'hi' }],
  });
  let runId: string | null = null;
  messages.on('connect', () => {
    runId = messages.response?.headers.get('x-hoc-run-id') ?? null;
  });
  const error = await messages.done().catch((cause: unknown) => cause);
  t.ok(error instanceof Anthropic.APIError, String(error));
  const record = await world.finishOf(runId);
  t.match(record, {
    status: 'truncated',
    dialect: 'anthropic-messages',
    usage: { input_tokens: 9, output_tokens: null },
  });
  const settled = BigInt(record.limits[0]?.settled ?? '0');
  t.equal(record.cost_nano_usd, (9n * inputNanoUsd + settled * outputNanoUsd).toString(), 'the input that it told');
});

t.test(
  'streams under limits are asked for plainly; a compressed one is measured all the same, and broken off',
  async (t) => {
    const asked: (string | undefined)[] = [];
    const body = gzipSync(chatEvent(text).repeat(300) + chatEnd(null));
    world.provide((request, response) => {
      asked.push(request.headers['accept-encoding'] as string | undefined);
      bulk(body, { 'content-encoding': 'gzip' })(request, response);
    });
    await world.setLimits([tokens(100_000)]);
    const passed = await chat(world, { stream: true });
    t.equal(await passed.text(), chatEvent(text).repeat(300) + chatEnd(null));
    await world.setLimits([tokens(3030)]);
    const attempt = () => t.rejects(chat(world, { stream: true }).then((answer) => answer.text()));
    t.match(await world.endDuring(attempt), { status: 'truncated', decided_by: 'limit:o3030' });
    t.same(asked, ['identity', 'identity']);
    await world.setLimits([tokens(3035)]);
    world.provide(bulk(body, { 'content-encoding': 'unknown' }));
    const blind = await world.endDuring(attempt);
    t.match(blind, { status: 'truncated' }, 'what cannot be read needs the whole cap');
  },
);

t.test('a whole answer to a streamed request is measured by its bytes', async (t) => {
  await world.setLimits([tokens(3040)]);
  const body = JSON.stringify({ choices: [{ message: { content: 'y'.repeat(2500) }, finish_reason: 'stop' }] });
  world.provide((_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(body));
  const attempt = () => t.rejects(chat(world, { stream: true }).then((answer) => answer.text()));
  t.match(await world.endDuring(attempt), { status: 'truncated', decided_by: 'limit:o3040' });
});

t.test(
  'a stream that is asked for its usage is topped up and cut like any other, without what was asked',
  async (t) => {
    const usage = { prompt_tokens: 10, completion_tokens: 70 };
    const asking: boolean[] = [];
    await world.setLimits([tokens(3050)]);
    for (const events of [40, 400]) {
      world.provide((request, response) => {
        asking.push(JSON.parse(request.body).stream_options?.include_usage);
        bulk(chatEvent(text).repeat(events) + chatEnd(usage))(request, response);
      });
      const answer = await chat(world, { stream: true }, 'asked');
      const body = await answer.text();
      const record = await world.finishOf(idOf(answer));
      t.ok(record.altered && record.marks.includes('usage_asked'));
      t.notMatch(body, 'prompt_tokens');
      t.equal(record.status, events === 40 ? 'succeeded' : 'truncated');
      await world.reading('o3050');
      t.match(body, events === 40 ? /\[DONE\]\n\n$/ : /"limit_exceeded"/);
    }
    t.same(asking, [true, true]);
  },
);

t.test('a cap in any unit cuts a stream where its estimate passes it', async (t) => {
  for (const [unit, ceiling] of [
    ['output_tokens', '100'],
    ['total_tokens', '120'],
    ['nano_usd', '200000'],
  ] as const) {
    await world.setLimits([limit({ id: 'cap', kind: 'cap', unit, ceiling })]);
    world.provide(drip(1000, ''));
    const answer = await chat(world, { stream: true });
    const body = await answer.text();
    const events = body.split(text).length - 1;
    t.ok(events >= 8 && events <= 13, `${unit}: ${events} events`);
    const record = await world.finishOf(idOf(answer));
    t.match(record, {
      status: 'truncated',
      decided_by: 'limit:cap',
      refusal_code: 'limit_exceeded',
      proximity: 'breach',
    });
    t.match(record.reason, /Cut by limit cap: .* so far, ceiling/);
  }
});

t.test(
  'streams of many callers at the edge of a limit: what is beyond it is exactly what the overruns say',
  async (t) => {
    const ceiling = 20_000n;
    await world.setLimits([tokens(Number(ceiling))]);
    world.provide(drip(150, chatEnd(null)));
    const answers = await Promise.all(Array.from({ length: 16 }, () => chat(world, { stream: true })));
    await Promise.all(answers.map((answer) => answer.text().catch(() => '')));
    let settled = 0n;
    let excess = 0n;
    for (const answer of answers) {
      const [charge] = (await world.finishOf(idOf(answer))).limits;
      const [took, reserved] = [BigInt(charge?.settled ?? '0'), BigInt(charge?.reserved ?? '0')];
      settled += took;
      if (took > reserved) excess += took - reserved;
    }
    t.match(await world.reading(`o${ceiling}`), { used: settled, reserved: 0n });
    t.ok(settled <= ceiling + excess, `${settled} settled, ${excess} beyond what was reserved`);
  },
);

for (const mode of ['refuse', 'allow'] as const) {
  t.test(
    `Redis frozen at a top-up: ${mode === 'refuse' ? 'the stream waits a second, then is cut' : 'it goes on, marked'}`,
    async (t) => {
      await world.setLimits([tokens(mode === 'refuse' ? 50_001 : 50_002, { when_redis_is_down: mode })]);
      let freeze: (() => void) | null = () => world.server.signal('SIGSTOP');
      world.provide(async (_, response) => {
        response.writeHead(200, eventStream);
        for (let index = 0; index < 100 && !response.destroyed; index += 1) {
          if (index === 5) {
            freeze?.();
            freeze = null;
          }
          response.write(chatEvent(text));
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        response.end(chatEnd(null));
      });
      try {
        const answer = await chat(world, { stream: true });
        const body = await answer.text();
        const record = await world.finishOf(idOf(answer));
        t.ok(record.marks.includes('redis_degraded'));
        if (mode === 'allow') {
          t.equal(body, chatEvent(text).repeat(100) + chatEnd(null));
          t.match(record, { status: 'succeeded', limits: [{ reserved: '1024' }] });
          t.ok(record.marks.includes('overrun'), 'what was let pass without counters was not reserved');
        } else {
          t.match(record, { status: 'truncated', decided_by: 'capacity', refusal_code: 'engine_down' });
          t.ok(record.latency_ms >= 1000 && record.latency_ms < 3000, `${record.latency_ms} ms`);
          t.ok(BigInt(body.split(text).length - 1) * perEvent <= 1024n, 'nothing was released that was not reserved');
        }
      } finally {
        world.server.signal('SIGCONT');
      }
      await poll(async () => {
        const probe = await chat(world, { max_tokens: 1 });
        await probe.text().catch(() => '');
        return probe.status === 503 ? null : true;
      }, 'the counters to be back');
    },
  );
}

t.test('a run that was closed uses up what it held where it meets that by a top-up', async (t) => {
  await world.setLimits([tokens(1_000_001)]);
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  world.provide(async (_, response) => {
    response.writeHead(200, eventStream).write(chatEvent(text));
    await released;
    for (let events = 1; events < 200 && !response.destroyed; events += 1) {
      response.write(chatEvent(text));
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  const stream = await chat(world, { stream: true, max_tokens: 1_000_000 });
  const runId = idOf(stream) ?? '';
  const shipper = createReservations(world.redis, { callerId: 'shipper:p1', epochOf: () => 'e1', timeoutMs: 5000 });
  await shipper.ready();
  await shipper.settle([{ tenant: 'acme', runId, items: [{ key: 'c:o1000001:*', amount: 5000n }], final: true }]);
  await shipper.close();
  release();
  const events = (await stream.text()).split('\n\n').filter((event) => event !== '');
  t.match(JSON.parse(events.pop()?.slice('data: '.length) ?? ''), { error: { message: /was closed while its proxy/ } });
  const shown = events.length * Number(perEvent);
  t.ok(shown > 512 && shown <= 1024, `${shown} of the 1024 tokens that it held were shown`);
  t.match(await world.finishOf(runId), { status: 'truncated', refusal_code: 'engine_down' });
  t.match(await world.reading('o1000001'), { used: 5000n, reserved: 0n });
});

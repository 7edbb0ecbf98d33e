import t from 'tap';
import {
  chat,
  chatAnswer,
  chatEnd,
  chatEvent,
  eventStream,
  idOf,
  inputNanoUsd,
  limit,
  openWorld,
  outputNanoUsd,
  poll,
  type World,
} from './test-world.ts';

let world: World;
t.before(async () => {
  world = await openWorld();
  t.teardown(() => world.close());
  await world.setLimits([
    limit({ id: 'money', kind: 'money', ceiling: '900000000000' }),
    limit({ id: 'tokens', kind: 'tokens', ceiling: '900000000' }),
  ]);
});

const costOf = (input: bigint, output: bigint) => (input * inputNanoUsd + output * outputNanoUsd).toString();
const inputBound = (runId: string | null, output: bigint) =>
  BigInt(world.intentOf(runId).limits[1]?.reserved ?? '0') - output;

t.test('a streamed exchange costs what the same exchange costs unstreamed', async (t) => {
  const usage = { prompt_tokens: 1234, completion_tokens: 567, prompt_tokens_details: { cached_tokens: 100 } };
  const costs: (string | null)[] = [];
  for (const stream of [true, false]) {
    world.provide((_, response) => {
      if (stream) response.writeHead(200, eventStream).end(chatEvent('hi') + chatEnd(usage));
      else response.end(chatAnswer('hi', usage));
    });
    const answer = await chat(world, { stream });
    await answer.text();
    const record = await world.finishOf(idOf(answer));
    t.match(record, { usage_source: 'provider', usage: { input_tokens: 1234, cached_input_tokens: 100 } });
    t.equal(record.limits[0]?.settled, record.cost_nano_usd);
    t.equal(record.limits[1]?.settled, '1801');
    costs.push(record.cost_nano_usd);
  }
  t.same(costs, [costOf(1234n, 567n), costOf(1234n, 567n)]);
});

t.test(
  'usage that is missing, zero, negative or absurd is flagged and bounded by an estimate marked as such',
  async (t) => {
    const content = 'fifteen letters';
    const seen = BigInt(content.length);
    for (const [name, usage, mark] of [
      ['missing', null, 'usage_missing'],
      ['zero', { prompt_tokens: 0, completion_tokens: 0 }, 'usage_flawed'],
      ['no input', { prompt_tokens: 0, completion_tokens: 3 }, 'usage_flawed'],
      ['negative', { prompt_tokens: -5, completion_tokens: 3 }, 'usage_flawed'],
      ['partial', { completion_tokens: 3 }, 'usage_flawed'],
      ['absurd', { prompt_tokens: 5, completion_tokens: 5_000_000_000 }, 'usage_flawed'],
    ] as const) {
      for (const stream of [true, false]) {
        world.provide((_, response) => {
          if (stream) response.writeHead(200, eventStream).end(chatEvent(content) + chatEnd(usage));
          else response.end(chatAnswer(content, usage));
        });
        const answer = await chat(world, { stream, max_tokens: 900 });
        await answer.text();
        const record = await world.finishOf(idOf(answer));
        t.match(record, { status: 'succeeded', usage_source: 'estimated' }, name);
        t.ok(record.marks.includes(mark), `${name} ${record.marks}`);
        const input = inputBound(idOf(answer), 900n);
        const cost = BigInt(record.cost_nano_usd ?? '0');
        t.ok(cost >= BigInt(costOf(input, seen)), `${name} ${stream}: ${cost} covers what was seen`);
        t.ok(cost <= BigInt(costOf(input, 900n)), `${name} ${stream}: never more than the worst case`);
        t.notOk(record.marks.includes('overrun'), name);
      }
    }
  },
);

t.test('usage that is told again and again is cumulative: the last report counts, once', async (t) => {
  const told = (completion: number) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'a' } }], usage: { prompt_tokens: 7, completion_tokens: completion } })}\n\n`;
  world.provide((_, response) =>
    response
      .writeHead(200, eventStream)
      .end(told(1) + told(2) + told(3) + chatEnd({ prompt_tokens: 7, completion_tokens: 3 })),
  );
  const answer = await chat(world, { stream: true });
  await answer.text();
  t.match(await world.finishOf(idOf(answer)), { usage_source: 'provider', cost_nano_usd: costOf(7n, 3n) });
});

t.test(
  'a caller that leaves mid-stream is billed once, for what was produced, and the provider is left at once',
  async (t) => {
    let left = false;
    world.provide(async (_, response) => {
      response.on('close', () => {
        left = true;
      });
      response.writeHead(200, eventStream);
      while (!response.destroyed) {
        response.write(chatEvent('0123456789'));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    });
    const before = (await world.reading('money')).used;
    const leaving = new AbortController();
    const answer = await chat(world, { stream: true, max_tokens: 900 }, 'sim', leaving.signal);
    const reader = answer.body?.getReader();
    for (let index = 0; index < 5; index += 1) await reader?.read();
    leaving.abort();
    const record = await world.finishOf(idOf(answer));
    await poll(() => (left ? true : null), 'the provider to be left');
    t.match(record, { status: 'cancelled', usage_source: 'estimated', marks: ['usage_missing'] });
    const input = inputBound(idOf(answer), 900n);
    const output = (BigInt(record.cost_nano_usd ?? '0') - input * inputNanoUsd) / outputNanoUsd;
    t.ok(output >= 50n && output <= 900n, `${output} tokens for at least 50 that were released`);
    t.equal((await world.reading('money')).used - before, BigInt(record.cost_nano_usd ?? '0'));
  },
);

t.test(
  'a failure before the head is bounded by the worst case once the request was sent, and free before that',
  async (t) => {
    for (const [name, slug] of [
      ['reset', 'sim'],
      ['time-out', 'hasty'],
    ] as const) {
      world.provide((request) => {
        if (name === 'reset') request.socket.destroy();
      });
      const answer = await chat(world, { max_tokens: 500 }, slug);
      t.equal(answer.status, 502);
      await answer.text();
      const record = await world.finishOf(idOf(answer));
      t.match(record, { status: 'failed', usage_source: 'estimated', http_status: null }, name);
      t.equal(record.cost_nano_usd, world.intentOf(idOf(answer)).worst_case_nano_usd, name);
      t.ok(record.marks.includes('usage_missing'));
    }
    const before = await world.reading('money');
    const refused = await chat(world, { max_tokens: 500 }, 'gone');
    t.equal(refused.status, 502);
    await refused.text();
    t.match(await world.finishOf(idOf(refused)), {
      status: 'failed',
      cost_nano_usd: '0',
      usage_source: 'none',
      limits: [{ settled: '0' }, { settled: '0' }],
    });
    t.match(await world.reading('money'), { used: before.used, reserved: 0n });
  },
);

t.test("a provider's error costs nothing, and a stream that breaks off what was seen of it", async (t) => {
  world.provide((_, response) => response.writeHead(400).end('{"error":{"message":"no"}}'));
  const rejected = await chat(world);
  await rejected.text();
  t.match(await world.finishOf(idOf(rejected)), { status: 'failed', cost_nano_usd: '0', limits: [{ settled: '0' }] });
  world.provide((_, response) => {
    response.writeHead(200, eventStream).write(chatEvent('0123456789'));
    setTimeout(() => response.destroy(), 20);
  });
  const broken = await chat(world, { stream: true, max_tokens: 900 });
  await t.rejects(broken.text());
  const record = await world.finishOf(idOf(broken));
  t.match(record, { status: 'failed', usage_source: 'estimated' });
  const cost = BigInt(record.cost_nano_usd ?? '0');
  const input = inputBound(idOf(broken), 900n);
  t.ok(cost >= BigInt(costOf(input, 10n)) && cost < BigInt(costOf(input, 100n)), String(cost));
});

t.test('a provider that reports more than was reserved makes an overrun of exactly the excess', async (t) => {
  const usage = { prompt_tokens: 5000, completion_tokens: 40 };
  world.provide((_, response) => response.end(chatAnswer('hi', usage)));
  const before = world.told.get('overrun:money') ?? 0;
  const answer = await chat(world, { max_tokens: 40 });
  await answer.text();
  const record = await world.finishOf(idOf(answer));
  t.ok(record.marks.includes('overrun'));
  t.equal(record.events.at(-1)?.detail, 'overrun');
  t.same(
    record.limits.map((charge) => charge.settled),
    [costOf(5000n, 40n), '5040'],
  );
  t.ok(record.limits.every((charge) => BigInt(charge.settled) > BigInt(charge.reserved)));
  t.equal(world.told.get('overrun:money'), before + 1);
  t.equal(world.told.get('overrun:tokens'), before + 1);
});

t.test('what facts do not bound is reserved at the stated ceiling, and its excess is an overrun', async (t) => {
  await world.setLimits([
    limit({ id: 'open', kind: 'tokens', ceiling: '900000', unbounded: { ceiling_tokens: '3000' } }),
    limit({ id: 'strict', kind: 'money', ceiling: '900000000', match: { model: 'refused' } }),
    limit({ id: 'priced', kind: 'money', ceiling: '900000000', unpriced: { ceiling_nano_usd: '7000000' } }),
  ]);
  const usage = { prompt_tokens: 4000, completion_tokens: 40 };
  world.provide((_, response) => response.end(chatAnswer('hi', usage)));
  const answer = await chat(world, { model: 'nobody-knows' });
  await answer.text();
  const record = await world.finishOf(idOf(answer));
  t.match(record, { cost_nano_usd: null, marks: ['overrun', 'unpriced'] });
  t.match(record.limits, [
    { id: 'open', reserved: '3000', settled: '4040' },
    { id: 'priced', reserved: '7000000', settled: '7000000' },
  ]);
  const refused = await chat(world, { model: 'refused' });
  t.equal(refused.status, 429);
  await refused.text();
  t.match(await world.finishOf(idOf(refused)), {
    decided_by: 'limit:strict',
    limits: [{ id: 'strict', reserved: '0', settled: '0', taken: null, ceiling: '900000000' }],
  });
});

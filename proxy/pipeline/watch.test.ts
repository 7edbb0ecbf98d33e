import t from 'tap';
import { createReservations } from '../../storage/redis/index.ts';
import {
  chat,
  chatAnswer,
  chatEnd,
  chatEvent,
  eventStream,
  idOf,
  limit,
  openWorld,
  type Provide,
  poll,
  type World,
} from './test-world.ts';

const reservationMs = 1200;
let world: World;
t.before(async () => {
  world = await openWorld({ reservationMs });
  t.teardown(() => world.close());
});

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const duration = (ceiling: number) =>
  limit({ id: 'slow', kind: 'cap', unit: 'milliseconds', ceiling: String(ceiling) });
const slots = limit({ id: 'slots', kind: 'concurrency', ceiling: '1' });
const budget = limit({ id: 'budget', kind: 'money', ceiling: '9000000000' });

t.test('a run that takes longer than its cap before the head is refused natively', async (t) => {
  await world.setLimits([duration(150), budget]);
  let left = false;
  world.provide((_, response) => {
    response.on('close', () => {
      left = true;
    });
  });
  const answer = await chat(world, { max_tokens: 100 });
  t.equal(answer.status, 429);
  t.equal(answer.headers.get('x-hoc-code'), 'limit_exceeded');
  t.match(await answer.json(), { error: { code: 'limit_exceeded', message: /Cut by limit slow: 150 ms so far/ } });
  const record = await world.finishOf(idOf(answer));
  t.match(record, { status: 'truncated', outcome: 'prevented', decided_by: 'limit:slow', http_status: 429 });
  t.ok(record.latency_ms >= 149, `${record.latency_ms} ms`);
  t.equal(record.cost_nano_usd, world.intentOf(idOf(answer)).worst_case_nano_usd, 'the provider may charge all of it');
  t.equal(record.usage_source, 'estimated');
  await poll(() => (left ? true : null), 'the provider to be left');
});

t.test('a stream is cut between two events when its time is up, a whole answer is broken off', async (t) => {
  await world.setLimits([duration(200)]);
  world.provide(async (_, response) => {
    response.writeHead(200, eventStream);
    while (!response.destroyed) {
      const event = chatEvent('tick');
      response.write(event.slice(0, 30));
      await wait(5);
      response.write(event.slice(30));
      await wait(5);
    }
  });
  const stream = await chat(world, { stream: true });
  const events = (await stream.text()).split('\n\n').filter((event) => event !== '');
  t.match(JSON.parse(events.pop()?.slice('data: '.length) ?? ''), { error: { code: 'limit_exceeded' } });
  t.ok(events.length > 3 && events.every((event) => `${event}\n\n` === chatEvent('tick')));
  t.match(await world.finishOf(idOf(stream)), { status: 'truncated', decided_by: 'limit:slow' });
  world.provide(async (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).write('{"a":');
    await wait(5);
    response.write('1');
  });
  const whole = await chat(world);
  await t.rejects(whole.text());
  t.match(await world.finishOf(idOf(whole)), { status: 'truncated', decided_by: 'limit:slow' });
});

t.test('a run that lasts longer than its reservation is renewed: it never expires under way', async (t) => {
  await world.setLimits([limit({ id: 'long', kind: 'requests', ceiling: '5' }), slots]);
  const usage = { prompt_tokens: 1, completion_tokens: 1 };
  for (const stream of [true, false]) {
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    world.provide(async (_, response) => {
      if (stream) response.writeHead(200, eventStream).write(chatEvent('a'));
      await released;
      response.end(stream ? chatEnd(usage) : chatAnswer('a', usage));
    });
    const pending = chat(world, { stream });
    const renewed = (world.told.get('topup:granted') ?? 0) + 4;
    await poll(() => ((world.told.get('topup:granted') ?? 0) >= renewed ? true : null), 'four renewals');
    const other = await chat(world);
    t.equal(other.status, 429, 'its slot is still taken after more than the life of a reservation');
    await other.text();
    t.equal(world.openReservations.list('acme').length, 1);
    release();
    const answer = await pending;
    await answer.text();
    t.match(await world.finishOf(idOf(answer)), { status: 'succeeded' });
    t.match(await world.reading('slots'), { reserved: 0n });
  }
  t.match(await world.reading('long'), { used: 2n, reserved: 0n });
  t.equal(world.openReservations.list('acme').length, 0);
});

/** Settles a run as recovery does that has found its proxy gone. */
async function recover(runId: string, amount: bigint): Promise<void> {
  const shipper = createReservations(world.redis, { callerId: 'shipper:p1', epochOf: () => 'e1', timeoutMs: 5000 });
  await shipper.ready();
  await shipper.settle([{ tenant: 'acme', runId, items: [{ key: 'c:lost:*', amount }], final: true }]);
  await shipper.close();
}

t.test('a run that was closed while its proxy was paused is cut when it wakes, and is charged once', async (t) => {
  const lost = limit({ id: 'lost', kind: 'tokens', unit: 'output_tokens', ceiling: '1000000' });
  await world.setLimits([lost]);
  let left = false;
  world.provide(async (_, response) => {
    response.writeHead(200, eventStream);
    response.on('close', () => {
      left = true;
    });
    while (!response.destroyed) {
      response.write(chatEvent('tick'));
      await wait(20);
    }
  });
  const stream = await chat(world, { stream: true, max_tokens: 1_000_000 });
  await recover(idOf(stream) ?? '', 5000n);
  const topUps = world.told.get('topup:granted') ?? 0;
  const events = (await stream.text()).split('\n\n').filter((event) => event !== '');
  t.match(JSON.parse(events.pop()?.slice('data: '.length) ?? ''), { error: { message: /was closed while its proxy/ } });
  t.ok(events.every((event) => `${event}\n\n` === chatEvent('tick')));
  t.match(await world.finishOf(idOf(stream)), {
    ...{ status: 'truncated', refusal_code: 'engine_down', decided_by: 'capacity' },
    reason: /was closed while its proxy was away/,
  });
  await poll(() => (left ? true : null), 'the provider to be left');
  t.equal(world.told.get('cut:gone'), 1);
  t.equal(world.told.get('topup:gone'), 1, 'and it is renewed no more');
  t.equal(world.told.get('topup:granted') ?? 0, topUps);
  t.match(await world.reading('lost'), { used: 5000n, reserved: 0n });
  t.equal(world.openReservations.list('acme').length, 0);
});

t.test('a slot is free again after every kind of end', async (t) => {
  const usage = { prompt_tokens: 1, completion_tokens: 1 };
  const start = (then: (response: Parameters<Provide>[1]) => void): Provide => {
    return (_, response) => {
      response.writeHead(200, eventStream).write(chatEvent('a'));
      then(response);
    };
  };
  const cases: [name: string, provide: Provide, status: string, part: object, slug?: string][] = [
    ['whole', (_, response) => response.end(chatAnswer('a', usage)), 'succeeded', {}],
    ['stream', start((response) => response.end(chatEnd(usage))), 'succeeded', { stream: true }],
    ['error', (_, response) => response.writeHead(500).end('{}'), 'failed', {}],
    ['reset before the head', (request) => request.socket.destroy(), 'failed', {}],
    [
      'reset in the stream',
      start((response) => void wait(20).then(() => response.destroy())),
      'failed',
      { stream: true },
    ],
    ['refused connection', () => undefined, 'failed', {}, 'gone'],
    ['cut', () => undefined, 'truncated', {}],
    ['cut in the stream', start(() => undefined), 'truncated', { stream: true }],
  ];
  for (const [name, provide, status, part, slug] of cases) {
    await world.setLimits(status === 'truncated' ? [slots, duration(120)] : [slots]);
    world.provide(provide);
    const answer = await chat(world, part, slug);
    await answer.text().catch(() => '');
    t.equal((await world.finishOf(idOf(answer))).status, status, name);
    t.match(await world.reading('slots'), { reserved: 0n }, name);
  }
  for (const head of [true, false]) {
    world.provide(head ? start(() => undefined) : () => undefined);
    const leaving = new AbortController();
    const cancelled = world.told.get('run:cancelled') ?? 0;
    const pending = chat(world, { stream: true }, 'sim', leaving.signal).catch(() => null);
    await poll(() => (world.openReservations.list('acme').length === 1 ? true : null), 'the run to be under way');
    if (head) await pending;
    leaving.abort();
    await pending;
    await poll(() => ((world.told.get('run:cancelled') ?? 0) > cancelled ? true : null), 'the run to be cancelled');
    t.match(await world.reading('slots'), { reserved: 0n }, 'caller gone');
  }
  world.fillSpool('none');
  const full = await chat(world);
  t.equal(full.status, 503);
  await full.text();
  world.fillSpool('finish');
  world.provide((_, response) => response.end(chatAnswer('a', usage)));
  await (await chat(world).catch(() => null))?.text().catch(() => '');
  world.fillSpool('all');
  await poll(() => (world.openReservations.list('acme').length === 0 ? true : null), 'the end to be recorded late');
  t.match(await world.reading('slots'), { reserved: 0n }, 'an end that could not be recorded at once');
});

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
  modelCap,
  openWorld,
  outputNanoUsd,
  type World,
} from './test-world.ts';

let world: World;
t.before(async () => {
  world = await openWorld();
  t.teardown(() => world.close());
});

const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const answer = () => world.provide((_, response) => response.end(chatAnswer('hi', usage)));
const money = (ceiling: bigint) => limit({ id: 'm', kind: 'money', ceiling: ceiling.toString() });

t.test('a whole answer reserves its cap, a stream one tranche, and both settle at what was used', async (t) => {
  answer();
  await world.setLimits([money(10n ** 12n), limit({ id: 'tk', kind: 'tokens', ceiling: '1000000' })]);
  const whole = await chat(world, { max_tokens: 3000 });
  await whole.text();
  const intent = world.intentOf(idOf(whole));
  const input = BigInt(intent.limits[1]?.reserved ?? '0') - 3000n;
  t.equal(intent.limits[0]?.reserved, (input * inputNanoUsd + 3000n * outputNanoUsd).toString());
  t.equal(intent.worst_case_nano_usd, intent.limits[0]?.reserved);
  t.match(await world.finishOf(idOf(whole)), {
    cost_nano_usd: (10n * inputNanoUsd + 5n * outputNanoUsd).toString(),
    usage_source: 'provider',
    limits: [
      { id: 'm', settled: (10n * inputNanoUsd + 5n * outputNanoUsd).toString(), ceiling: '1000000000000' },
      { id: 'tk', settled: '15' },
    ],
  });
  world.provide((_, response) => response.writeHead(200, eventStream).end(chatEvent('hi') + chatEnd(usage)));
  const stream = await chat(world, { max_tokens: 3000, stream: true });
  await stream.text();
  const begun = world.intentOf(idOf(stream));
  const streamInput = BigInt(begun.limits[1]?.reserved ?? '0') - 1024n;
  t.equal(begun.limits[0]?.reserved, (streamInput * inputNanoUsd + 1024n * outputNanoUsd).toString());
  t.equal(begun.limits[0]?.settled, (streamInput * inputNanoUsd + 3000n * outputNanoUsd).toString(), 'the worst case');
  t.equal(begun.limits[1]?.settled, (streamInput + 3000n).toString());
  t.same(
    begun.open.settle?.map((item) => item.amount),
    begun.limits.map((charge) => charge.settled),
  );
  t.equal((await world.finishOf(idOf(stream))).cost_nano_usd, (await world.finishOf(idOf(whole))).cost_nano_usd);
  t.match(await world.reading('tk'), { used: 30n, reserved: 0n });
});

t.test('a stream that can hide output reserves its whole cap at once', async (t) => {
  await world.setLimits([limit({ id: 'hidden', kind: 'tokens', ceiling: '100000', unit: 'output_tokens' })]);
  for (const part of [{ model: 'sim-hidden' }, { reasoning_effort: 'high' }]) {
    const hidden = await chat(world, { stream: true, ...part });
    await hidden.text();
    t.equal(world.intentOf(idOf(hidden)).limits[0]?.reserved, String(modelCap), JSON.stringify(part));
  }
  const shown = await chat(world, { stream: true });
  await shown.text();
  t.equal(world.intentOf(idOf(shown)).limits[0]?.reserved, '1024');
});

t.test('a refusal names the limit with the reading that it refused on, and takes nothing', async (t) => {
  answer();
  await world.setLimits([limit({ id: 'r', kind: 'requests', ceiling: '1' })]);
  await (await chat(world)).text();
  const refused = await chat(world);
  t.equal(refused.status, 429);
  t.match(await refused.json(), { error: { code: 'limit_exceeded' } });
  const record = await world.finishOf(idOf(refused));
  t.match(record, { status: 'blocked', outcome: 'prevented', proximity: 'breach', decided_by: 'limit:r' });
  t.same(record.limits, [{ id: 'r', reserved: '0', settled: '0', taken: '1', ceiling: '1', near: false }]);
  t.match(record.reason, /1 of 1 requests used/);
});

t.test('a cap refuses before the wire what its estimate passes, in every unit, and lets the rest go', async (t) => {
  answer();
  const caps = [
    limit({ id: 'cap', kind: 'cap', unit: 'output_tokens', ceiling: '100' }),
    limit({ id: 'cap', kind: 'cap', unit: 'input_tokens', ceiling: '5' }),
    limit({ id: 'cap', kind: 'cap', unit: 'total_tokens', ceiling: '120' }),
    limit({ id: 'cap', kind: 'cap', unit: 'nano_usd', ceiling: '400000' }),
  ];
  for (const cap of caps) {
    await world.setLimits([cap]);
    const refused = await chat(world, { max_tokens: 200 });
    t.equal(refused.status, 429, cap.unit ?? '');
    await refused.text();
    t.match(await world.finishOf(idOf(refused)), { decided_by: 'limit:cap', limits: [{ id: 'cap', settled: '0' }] });
    if (cap.unit === 'input_tokens') continue;
    const passed = await chat(world, { max_tokens: 50 });
    t.equal(passed.status, 200, cap.unit ?? '');
    await passed.text();
  }
});

t.test("the tenant's output cap is put into the request, and the price sees it", async (t) => {
  const bodies: string[] = [];
  world.provide((request, response) => {
    bodies.push(request.body);
    response.end(chatAnswer('hi', usage));
  });
  await world.setLimits([limit({ id: 'capped', kind: 'tokens', ceiling: '100000', unit: 'output_tokens' })], {
    max_output_tokens: 77,
  });
  for (const [part, sent] of [
    [{}, 77],
    [{ max_tokens: 500 }, 77],
    [{ max_tokens: 20 }, 20],
  ] as const) {
    const capped = await chat(world, part);
    await capped.text();
    t.equal(JSON.parse(bodies.at(-1) ?? '').max_tokens, sent);
    t.equal(world.intentOf(idOf(capped)).limits[0]?.reserved, String(sent));
    const record = await world.finishOf(idOf(capped));
    t.equal(record.altered, sent === 77);
    t.equal(record.marks.includes('output_capped'), sent === 77);
  }
});

t.test(
  'an override raises the ceiling while it is in force, and limits of a parent sub-tenant count below it',
  async (t) => {
    answer();
    const now = Date.now();
    const override = { id: 'o1', ceiling: '2', from_ms: now - 1000, until_ms: now + 60_000, reason: 'launch' };
    const by = { match: { sub_tenant: 'products' }, kind: 'requests', ceiling: '1' } as const;
    await world.setLimits([limit({ id: 'over', ...by, overrides: [override] })]);
    for (const status of [200, 200, 429]) {
      const got = await chat(world);
      t.equal(got.status, status);
      await got.text();
    }
  },
);

t.test('a near mark is told once a window, as an event of the run and as a metric', async (t) => {
  answer();
  await world.setLimits([limit({ id: 'soft', kind: 'requests', ceiling: '4', near: 50 })]);
  const details: string[] = [];
  for (let index = 0; index < 4; index += 1) {
    const got = await chat(world);
    await got.text();
    const record = await world.finishOf(idOf(got));
    details.push(record.events.find((event) => event.stage === 'reserve')?.detail ?? '');
    t.equal(record.limits[0]?.near, index === 1);
  }
  t.same(details, ['ok', 'near', 'ok', 'ok']);
  t.equal(world.told.get('near:soft'), 1);
});

t.test('payloads that find no room are dropped and marked, and without any room no run is let through', async (t) => {
  answer();
  await world.setLimits([limit({ id: 'full', kind: 'concurrency', ceiling: '1' })]);
  world.fillSpool('metadata');
  const poor = await chat(world);
  t.equal(poor.status, 200);
  await poor.text();
  t.ok((await world.finishOf(idOf(poor))).marks.includes('payload_dropped'));
  world.fillSpool('none');
  const refused = await chat(world);
  t.equal(refused.status, 503);
  await refused.text();
  world.fillSpool('all');
  t.match(await world.reading('full'), { reserved: 0n });
  const { status, open } = await world.finishOf(idOf(refused));
  t.equal(status, 'blocked');
  t.match(open.settle, [{ amount: '0' }], 'its record gives it back too, should its proxy not live to');
});

t.test(
  'a run that was granted and cannot be put on record at all is refused, and gives back what it had',
  async (t) => {
    answer();
    await world.setLimits([limit({ id: 'lone', kind: 'concurrency', ceiling: '1' })]);
    world.fillSpool('nothing');
    const refused = await chat(world);
    t.equal(refused.status, 503);
    await refused.text();
    t.same(world.openReservations.list('acme'), [], 'at once, not when the spool takes records again');
    world.fillSpool('all');
    t.match(await world.reading('lone'), { reserved: 0n });
    t.equal((await chat(world)).status, 200, 'the place is free');
  },
);

t.test('a fault of our own behind the reservation gives it back, and tells no rebuild of it', async (t) => {
  answer();
  await world.setLimits([money(10n ** 12n), limit({ id: 'slots', kind: 'concurrency', ceiling: '1' })]);
  world.fillSpool('broken');
  const faulty = await chat(world);
  t.equal(faulty.status, 500);
  await faulty.text();
  world.fillSpool('all');
  t.match(await world.finishOf(idOf(faulty)), { status: 'failed', cost_nano_usd: '0', limits: [] });
  t.match(await world.reading('slots'), { reserved: 0n });
  t.same(world.openReservations.list('acme'), []);
  t.equal((await chat(world)).status, 200, 'the place is free');
});

t.test(
  'the intent says what a run comes to if its proxy dies: a stream that nothing bounds, its first tranche',
  async (t) => {
    world.provide((_, response) => {
      response.writeHead(200, eventStream);
      response.end(chatEvent('x'.repeat(3000)) + chatEnd(null));
    });
    await world.setLimits([limit({ id: 'tk', kind: 'tokens', ceiling: '1000000' })]);
    const unknown = await chat(world, { stream: true, model: 'nobody-knows' });
    await unknown.text();
    t.equal(world.intentOf(idOf(unknown)).open.settle?.[0]?.amount, world.intentOf(idOf(unknown)).limits[0]?.reserved);
    t.ok(BigInt((await world.finishOf(idOf(unknown))).open.settle?.[0]?.amount ?? '0') >= 3000n);
    const capped = await chat(world, { stream: true, model: 'nobody-knows', max_tokens: 5000 });
    await capped.text();
    t.ok(BigInt(world.intentOf(idOf(capped)).open.settle?.[0]?.amount ?? '0') >= 5000n);
  },
);

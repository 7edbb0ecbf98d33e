import t from 'tap';
import type { RedisDownMode } from '../../storage/schema/snapshot.ts';
import { chat, chatAnswer, idOf, limit, openWorld, poll, type World } from './test-world.ts';

let world: World;
t.before(async () => {
  world = await openWorld();
  t.teardown(() => world.close());
  world.provide((_, response) => response.end(chatAnswer('a', { prompt_tokens: 2, completion_tokens: 3 })));
});

const rate = (ceiling: string, mode: RedisDownMode) =>
  limit({ id: `r${ceiling}`, kind: 'requests', ceiling, when_redis_is_down: mode });
const money = (mode: RedisDownMode) =>
  limit({ id: 'money', kind: 'money', ceiling: '900000000', when_redis_is_down: mode });

t.test(
  'a run that is refused because Redis was too late is settled at nothing, whoever learns of its grant',
  async (t) => {
    await world.setLimits([money('refuse'), limit({ id: 'slots', kind: 'concurrency', ceiling: '5' })]);
    world.server.signal('SIGSTOP');
    const refused = await chat(world);
    t.equal(refused.status, 503);
    await refused.text();
    const { open } = await world.finishOf(idOf(refused));
    t.match(open.settle, [{ amount: '0' }, { amount: '0' }], 'for the shipper, where this proxy dies now');
    world.server.signal('SIGCONT');
    await poll(
      async () => ((await world.reading('slots')).reserved === 0n ? true : null),
      'the late grant to be undone',
    );
    t.match(await world.reading('money'), { used: 0n, reserved: 0n });
  },
);

t.test('while Redis is frozen each limit is decided by its own mode, visibly, and within 150 ms', async (t) => {
  await world.setLimits([rate('10', 'local')]);
  for (let index = 0; index < 2; index += 1) await (await chat(world)).text();
  world.server.signal('SIGSTOP');
  t.teardown(() => world.server.signal('SIGCONT'));

  await world.setLimits([rate('10', 'local'), money('refuse')]);
  let refused = await chat(world);
  let fastestMs = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 4; attempt += 1) {
    const beganAt = performance.now();
    refused = await chat(world);
    fastestMs = Math.min(fastestMs, performance.now() - beganAt);
    t.equal(refused.status, 503);
    await refused.text();
  }
  t.ok(fastestMs < 150, `${fastestMs} ms`);
  t.match(await world.finishOf(idOf(refused)), {
    status: 'blocked',
    refusal_code: 'engine_down',
    decided_by: 'capacity',
    marks: ['redis_degraded'],
    limits: [],
  });

  await world.setLimits([rate('10', 'local')]);
  for (const status of [200, 200, 200, 429]) {
    const answer = await chat(world);
    t.equal(answer.status, status, 'two of a share of five (ten over two proxies) were used before');
    await answer.text();
    const record = await world.finishOf(idOf(answer));
    t.same(
      record.marks.filter((mark) => mark !== 'unpriced'),
      ['local_share', 'redis_degraded'],
    );
    if (status === 200) t.match(record.limits, [{ id: 'r10', reserved: '1', settled: '1', taken: null }]);
    else t.match(record, { decided_by: 'limit:r10', reason: /this proxy's share of 5 requests/ });
  }

  await world.setLimits([rate('11', 'allow'), money('allow')]);
  const allowed = await chat(world);
  t.equal(allowed.status, 200);
  await allowed.text();
  const record = await world.finishOf(idOf(allowed));
  t.ok(record.marks.includes('redis_degraded'));
  t.same(
    record.limits.map(({ id, reserved, settled }) => ({ id, reserved, settled })),
    [
      { id: 'money', reserved: '0', settled: record.cost_nano_usd },
      { id: 'r11', reserved: '0', settled: '1' },
    ],
  );
  const { settle = [], settle_at_ms: atMs = 0, settle_epoch: epoch } = record.open;
  t.match(
    [atMs >= record.started_at, epoch],
    [true, 'e1'],
    'a shipper can tell that Redis does not know it, and count it',
  );
  t.same(
    settle.map(({ key, amount, window: { align } = {} as never }) => [key, amount, align]),
    [
      ['c:money:*', record.cost_nano_usd, 'calendar'],
      ['c:r11:*', '1', 'calendar'],
    ],
  );
});

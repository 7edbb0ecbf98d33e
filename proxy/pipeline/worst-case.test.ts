import t from 'tap';
import {
  chat,
  chatAnswer,
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
  world.provide((_, response) => response.end(chatAnswer('hi', null)));
});

const money = limit({ id: 'm', kind: 'money', ceiling: (10n ** 12n).toString() });
const input = limit({ id: 'tk', kind: 'tokens', ceiling: '1000000', unit: 'input_tokens' });

/** How many output tokens the worst case holds: what was reserved, less the input. */
async function outputOf(body: object): Promise<bigint> {
  const got = await chat(world, body);
  await got.text();
  const { limits, worst_case_nano_usd: worst } = world.intentOf(idOf(got));
  return (BigInt(worst ?? '0') - BigInt(limits[1]?.reserved ?? '0') * inputNanoUsd) / outputNanoUsd;
}

t.test('numbers bound the worst case as what they are', async (t) => {
  await world.setLimits([money, input]);
  t.equal(await outputOf({ n: 5, max_tokens: 100 }), 500n);
  t.equal(await outputOf({ max_tokens: 100, max_completion_tokens: 700 }), 700n, 'the larger cap');
});

t.test('a tier that no price list has a rate for is unpriced, not charged at the listed rate', async (t) => {
  await world.setLimits([money]);
  const refused = await chat(world, { max_tokens: 100, service_tier: 'priority' });
  t.equal(refused.status, 429);
  t.match(await refused.text(), /price/);
  await world.setLimits([]);
  const got = await chat(world, { max_tokens: 100, service_tier: 'priority' });
  await got.text();
  const finish = await world.finishOf(idOf(got));
  t.equal(finish.cost_nano_usd, null);
  t.ok(finish.marks.includes('unpriced'));
});

t.test('a cap written as a text bounds nothing: the model’s own cap holds', async (t) => {
  await world.setLimits([money, input]);
  const own = BigInt(modelCap);
  for (const body of [
    { max_tokens: '100' },
    { max_tokens: 100, max_completion_tokens: '200' },
    { max_tokens: '100', max_completion_tokens: 200 },
    { max_tokens: -1 },
    { max_tokens: 0 },
  ])
    t.equal(await outputOf(body), own, JSON.stringify(body));
  t.equal(await outputOf({ max_tokens: '100', n: 3 }), 3n * own);
});

t.test(
  'a number of answers written as a text is unbounded, since a lenient server reads it as that many',
  async (t) => {
    const reserved = 7_000_000n;
    for (const n of ['5', '1', '', 2.5, 0, -1, true, [5]]) {
      await world.setLimits([money]);
      const refused = await chat(world, { n, max_tokens: 100 });
      t.equal(refused.status, 429, `refused: ${JSON.stringify(n)}`);
      t.match(await refused.json(), { error: { message: /limit m/ } });
      await world.setLimits([limit({ ...money, unbounded: { ceiling_nano_usd: reserved.toString() } })]);
      const stated = await chat(world, { n, max_tokens: 100 });
      await stated.text();
      t.equal(world.intentOf(idOf(stated)).limits[0]?.reserved, reserved.toString(), `reserved: ${JSON.stringify(n)}`);
    }
  },
);

t.test('an absent number of answers is one', async (t) => {
  await world.setLimits([money, input]);
  t.equal(await outputOf({ n: null, max_tokens: 100 }), 100n);
  t.equal(await outputOf({ max_tokens: 100 }), 100n);
});

import { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { type CallShape, makeCall, type Sighting } from './faults/callers.ts';
import { readCharges, sumCharges } from './faults/charges.ts';
import { checkAll } from './faults/kill-rounds.ts';
import { type Charge, readLedger } from './faults/ledger.ts';
import { type RawProvider, startRawProvider } from './faults/raw-provider.ts';
import { type Stage, startStage } from './faults/stage.ts';

t.setTimeout(230_000);

const callers = 1000;
let stage: Stage;
let raw: RawProvider;

t.before(async () => {
  raw = await startRawProvider();
  t.teardown(() => raw.close());
  stage = await startStage({
    proxies: 4,
    providers: [`{ slug: raw, baseUrl: "${raw.url}", allowPrivate: true, priceAs: simulator, askUsage: never }`],
    keys: ['spender', 'talker', 'thinker'],
    tenant: `
    limits:
      - { id: spender-budget, kind: money, ceilingUsd: "0.02", window: 1d, align: rolling, match: { key: spender } }
      - { id: talker-tokens, kind: tokens, counts: total, ceiling: 60000, window: 1d, align: rolling, match: { key: talker } }
      - { id: thinker-budget, kind: money, ceilingUsd: "0.02", window: 1d, align: rolling, match: { key: thinker }, unbounded: { ceilingUsd: "0.00004" } }`,
  });
  t.teardown(() => stage.stop());
});

/** Answers of exactly their cap, so that the edge is reached soon; half of them streams. */
const shape = (nth: number): CallShape => ({
  stream: nth % 2 === 0,
  fault: nth % 3 === 0 ? 'delay-head:300' : null,
  maxTokens: 20,
  leavesAfterMs: null,
  prompt: 'Tell me a long story, please.',
});

/** All callers at once, each calling until it was refused twice in a row: what is left then fits no further run. */
async function spendAll(key: string, name: string, shapeOf: (nth: number) => CallShape = shape): Promise<Sighting[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const sightings: Sighting[] = [];
  const loop = async (nth: number): Promise<void> => {
    for (let call = 0, refusals = 0; refusals < 2; call += 1) {
      const proxy = stage.hoc.proxies[(nth + call) % stage.hoc.proxies.length] ?? '';
      const sighting = await makeCall({ agent, proxy, key, call: `${name}-${nth}-${call}`, shape: shapeOf(nth) });
      sightings.push(sighting);
      refusals = sighting.end === 'refused' ? refusals + 1 : 0;
      if (refusals > 0) await delay(1000);
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, nth) => loop(nth)));
  agent.destroy();
  return sightings;
}

const chargesOf = async (name: string): Promise<Charge[]> =>
  (await readLedger(stage.simulator)).filter((charge) => charge.run_id?.startsWith(`${name}-`));

t.test('1,000 concurrent callers over four proxies overspend nothing of a budget', async (t) => {
  const sightings = await spendAll(stage.keys.spender ?? '', 'spender');
  t.same((await checkAll(stage, sightings)).violations, []);
  const spent = (await chargesOf('spender')).reduce((sum, charge) => sum + BigInt(charge.cost_nano_usd), 0n);
  const charges = await readCharges(stage.hoc, 'spender-budget');
  const used = sumCharges(charges);
  const largest = BigInt(Math.max(...charges.map(({ reserved }) => Number(reserved))));
  t.comment(
    `${used.admitted} admitted of ${sightings.length}; spent ${spent}, fullest ${used.fullest}, of 20000000 nano-USD`,
  );
  t.ok(spent <= 20_000_000n, `${spent}`);
  t.ok(used.fullest <= 20_000_000n, 'spent and reserved never passed it in between');
  t.equal(used.settled, spent, 'what was settled is what the provider charged');
  t.equal(used.overrun, 0n);
  t.ok(spent > 20_000_000n - largest, 'it was spent to the edge');
  t.ok(sightings.some((sighting) => sighting.code === 'limit_exceeded'));
  t.ok(used.admitted > 100);
});

t.test('1,000 concurrent callers over four proxies pass a limit of tokens by none, counted as tokens', async (t) => {
  const sightings = await spendAll(stage.keys.talker ?? '', 'talker');
  t.same((await checkAll(stage, sightings)).violations, []);
  const charged = await chargesOf('talker');
  const tokens = charged.reduce((sum, charge) => sum + charge.input_tokens + charge.produced_output_tokens, 0);
  const used = sumCharges(await readCharges(stage.hoc, 'talker-tokens'));
  t.comment(`${used.admitted} admitted of ${sightings.length}; ${tokens} tokens, fullest ${used.fullest}, of 60000`);
  t.ok(tokens <= 60_000, `${tokens}`);
  t.ok(used.fullest <= 60_000n);
  t.equal(used.settled, BigInt(tokens));
  t.equal(used.overrun, 0n);
  t.ok(sightings.some((sighting) => sighting.code === 'limit_exceeded'));
});

/**
 * Runs whose cost no fact bounds: each asks for a remote image, whose tokens only the provider knows. One in five comes to
 * more than the stated ceiling that was reserved for it.
 */
const unbounded = (nth: number): CallShape => ({
  ...shape(nth),
  stream: false,
  fault: null,
  path: '/raw/v1/chat/completions',
  content: [
    { type: 'text', text: 'What is this?' },
    { type: 'image_url', image_url: { url: 'https://images.test/1.png' } },
  ],
  headers: {
    'x-raw': JSON.stringify({ usage: [{ prompt_tokens: nth % 5 === 0 ? 500 + nth : 100, completion_tokens: 20 }] }),
  },
});

t.test(
  'where facts do not bound the cost, the excess over a budget is what the overrun events say, exactly',
  async (t) => {
    const sightings = await spendAll(stage.keys.thinker ?? '', 'thinker', unbounded);
    const answered = sightings.filter((sighting) => sighting.status === 200);
    // The provider's own account: 0.15 and 0.60 USD a million tokens.
    const costOf = (nth: number) => (nth % 5 === 0 ? 500n + BigInt(nth) : 100n) * 150n + 20n * 600n;
    const spent = answered.reduce((sum, { call }) => sum + costOf(Number(call.split('-')[1])), 0n);
    const ids = new Set(answered.map(({ runId }) => runId));
    const runs = (
      await stage.hoc.exportRuns(
        (all) => all.filter((run) => ids.has(run.run_id) && run.status === 'succeeded').length === ids.size,
      )
    ).filter((run) => ids.has(run.run_id));
    const charges = await readCharges(stage.hoc, 'thinker-budget');
    const used = sumCharges(charges);
    const overruns = charges.filter(({ settled, reserved }) => settled > reserved);
    t.comment(
      `${used.admitted} admitted; spent ${spent} of 20000000, ${overruns.length} overruns come to ${used.overrun}`,
    );
    t.equal(used.settled, spent, 'every cost is on record');
    t.ok(overruns.length > 0);
    t.ok(spent - used.overrun <= 20_000_000n, 'without its overruns the budget holds');
    const expected = answered.reduce((sum, { call }) => {
      const excess = costOf(Number(call.split('-')[1])) - 40_000n;
      return excess > 0n ? sum + excess : sum;
    }, 0n);
    t.equal(used.overrun, expected, 'and the excess is exactly theirs');
    const marked = runs.filter((run) => run.marks.includes('overrun')).map((run) => run.run_id);
    t.same(new Set(marked), new Set(overruns.map(({ runId }) => runId)), 'each is an event of its run');
    const metrics = await stage.hoc.metrics();
    const counted = [...metrics.matchAll(/^hoc_limit_overruns_total\{[^}]*limit="thinker-budget"[^}]*\} (\d+)/gm)];
    t.equal(
      counted.reduce((sum, [, value]) => sum + Number(value), 0),
      overruns.length,
      'and counted over all proxies',
    );
    t.ok(sightings.some((sighting) => sighting.code === 'limit_exceeded'));
  },
);

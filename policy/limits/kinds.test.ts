import t from 'tap';
import { noUsage } from '../../storage/schema/run.ts';
import {
  chargeOfRefusal,
  chargesOf,
  checkCaps,
  compileLimits,
  computeMoneyReserved,
  computeProximity,
  computeSubTenantPaths,
  durationCapMs,
  explainCut,
  explainRefusal,
  outputRoom,
  planReservation,
  type RunAmounts,
  raiseItems,
  settleAmounts,
  subjectKey,
  windowOf,
} from './index.ts';
import {
  bounded,
  cap,
  concurrency,
  limit,
  money,
  nowMs,
  pick,
  reading,
  run,
  tokens,
  unbounded,
  unpriced,
  usd,
} from './test-limits.ts';

const everyKind = compileLimits([
  limit({ id: 'requests' }),
  concurrency({ id: 'runs' }),
  tokens({ id: 'tokens-in', unit: 'input_tokens' }),
  tokens({ id: 'tokens-out', unit: 'output_tokens' }),
  tokens({ id: 'tokens-total' }),
  money({ id: 'usd' }),
  cap({ id: 'z-cap' }),
]);

t.test('tokens are counted as tokens: each kind takes its own amount', (t) => {
  const plan = planReservation(everyKind, { run, amounts: bounded, nowMs });
  t.equal(plan.refusal, null);
  t.strictSame(
    plan.items.map((item) => [item.limitId, item.amount, item.near]),
    [
      ['requests', 1n, 480n],
      ['runs', 1n, 8n],
      ['tokens-in', 3000n, 800_000n],
      ['tokens-out', 1000n, 800_000n],
      ['tokens-total', 4000n, 800_000n],
      ['usd', 720_000_000n, 40n * usd],
    ],
  );
  t.strictSame(plan.items[1]?.window, { align: 'none' });
  t.strictSame(
    plan.caps.map(({ id }) => id),
    ['z-cap'],
    'a cap is kept in no counter',
  );
  t.end();
});

t.test('the near mark is the first amount at the percentage, never below it', (t) => {
  const limits = compileLimits([limit({ id: 'a', ceiling: '3', near: 50 }), limit({ id: 'b', ceiling: '1', near: 1 })]);
  t.strictSame(
    limits.map(({ near }) => near),
    [2n, 1n],
  );
  t.end();
});

t.test('a token limit takes the stated ceiling of an unbounded run, else refuses it', (t) => {
  const refusing = compileLimits([tokens({ id: 'day' }), tokens({ id: 'out', unit: 'output_tokens' })]);
  const stating = compileLimits([tokens({ id: 'day', unbounded: { ceiling_tokens: '9000' } })]);
  t.match(planReservation(refusing, { run, amounts: unbounded, nowMs }).refusal, {
    limitId: 'day',
    reason: 'Blocked by limit day: the request does not bound its tokens, and the limit refuses such runs.',
  });
  t.equal(planReservation(stating, { run, amounts: unbounded, nowMs }).items[0]?.amount, 9000n);
  const noCap: RunAmounts = { ...bounded, outputTokens: null };
  t.match(planReservation(refusing, { run, amounts: noCap, nowMs }).refusal, { limitId: 'day' });
  t.equal(planReservation(stating, { run, amounts: noCap, nowMs }).items[0]?.amount, 9000n);
  const known = { ...unbounded, inputTokens: 20_000n };
  t.equal(
    planReservation(stating, { run, amounts: known, nowMs }).items[0]?.amount,
    21_000n,
    'the known part, if it is more',
  );
  const inputOnly = compileLimits([tokens({ id: 'in', unit: 'input_tokens' })]);
  t.equal(
    planReservation(inputOnly, { run, amounts: noCap, nowMs }).items[0]?.amount,
    3000n,
    'input needs no bound of the output',
  );
  t.equal(planReservation(refusing, { run, amounts: unpriced, nowMs }).refusal, null, 'tokens need no price');
  t.end();
});

t.test('every refusal names the very reading of its limit', (t) => {
  const says = (id: string, ...[used, reserved, amount]: [bigint, bigint, bigint]) =>
    explainRefusal(pick(everyKind, id), reading(used, reserved, 7), amount);
  t.strictSame(says('tokens-in', 990_000n, 8000n, 3000n), {
    reason:
      'Blocked by limit tokens-in: 990000 used + 8000 reserved + 3000 worst case = 1001000 input tokens in this UTC day, ceiling 1000000.',
    retryAfterMs: 7,
  });
  t.match(says('tokens-total', 0n, 0n, 1_000_001n), { retryAfterMs: null, reason: /= 1000001 tokens in this UTC day/ });
  t.strictSame(says('runs', 0n, 10n, 1n), {
    reason: 'Blocked by limit runs: 10 of 10 concurrent runs under way.',
    retryAfterMs: 1000,
  });
  t.equal(
    explainCut(pick(everyKind, 'usd'), reading(49n * usd, 990_000_000n), 20_000_000n),
    'Cut by limit usd: $49.00 used + $0.99 reserved + $0.02 more for this run = $50.01, ceiling $50.00.',
  );
  t.end();
});

t.test('an override is in force from its beginning up to its end, and a refusal says so', (t) => {
  const hour = { ceiling: '900', from_ms: nowMs, until_ms: nowMs + 3_600_000, reason: 'launch' };
  const next = { ...hour, id: 'evening', ceiling: '5', from_ms: hour.until_ms, until_ms: hour.until_ms + 1 };
  const limits = compileLimits([limit({ id: 'a', overrides: [{ ...hour, id: 'launch' }, next] })]);
  const at = (ms: number) => planReservation(limits, { run, amounts: bounded, nowMs: ms });
  const ceilings = [-1, 0, 3_599_999, 3_600_000, 3_600_001].map((later) => at(nowMs + later).items[0]?.ceiling);
  t.strictSame(ceilings, [600n, 900n, 900n, 5n, 600n]);
  const [item] = at(nowMs).items;
  t.equal(item?.near, 720n, 'the near mark is that of the ceiling in force');
  t.equal(item?.key, 'c:a:*', 'the counter stays');
  const [inForce] = at(nowMs).limits;
  if (inForce === undefined) throw new Error('no limit');
  t.equal(
    explainRefusal(inForce, reading(900n, 0n), 1n).reason,
    'Blocked by limit a: 900 of 900 (override launch) requests used in the last 1m.',
  );
  t.equal(pick(limits, 'a').ceiling, 600n, 'the limit itself is unchanged');
  t.end();
});

t.test('a cap refuses a run whose estimate is above it, or that it cannot hold', (t) => {
  const refusal = (fields: Parameters<typeof cap>[0], amounts: RunAmounts) =>
    planReservation(compileLimits([cap(fields)]), { run, amounts, nowMs }).refusal?.reason ?? null;
  const dollar = `${usd}`;
  t.equal(
    refusal({ id: 'c', ceiling: '1749' }, bounded),
    'Blocked by limit c: 1750 tokens estimated for this run, ceiling 1749 a run.',
  );
  t.equal(refusal({ id: 'c', ceiling: '1750' }, bounded), null);
  t.equal(refusal({ id: 'c', unit: 'input_tokens', ceiling: '750' }, { ...bounded, inputTokens: 10n ** 6n }), null);
  const expensive = { ...bounded, estimated: { ...bounded.estimated, costNanoUsd: 2n * usd } };
  t.equal(
    refusal({ id: 'c', unit: 'nano_usd', ceiling: dollar }, expensive),
    'Blocked by limit c: $2.00 estimated for this run, ceiling $1.00 a run.',
  );
  t.match(refusal({ id: 'c', unit: 'nano_usd', ceiling: dollar }, unpriced), /no price is known for model GPT-4o/);
  const stated = { unpriced: { ceiling_nano_usd: '5' } };
  t.equal(refusal({ id: 'c', unit: 'nano_usd', ceiling: dollar, ...stated }, unpriced), null);
  const open = { ...bounded, estimated: { ...bounded.estimated, outputTokens: null } };
  t.match(refusal({ id: 'c' }, open), /does not bound its tokens/);
  t.equal(refusal({ id: 'c', unbounded: { ceiling_tokens: '10' } }, open), null);
  t.match(refusal({ id: 'c', unbounded: { ceiling_tokens: '4001' } }, open), /4001 tokens estimated/);
  t.equal(refusal({ id: 'c', unit: 'milliseconds', ceiling: '1' }, unpriced), null, 'nothing is known of a duration');
  t.end();
});

t.test('a run under way may reach a cap and not pass it; a duration ends when it is reached', (t) => {
  const plan = {
    caps: compileLimits([
      cap({ id: 'a-out', unit: 'output_tokens', ceiling: '100' }),
      cap({ id: 'b-total', ceiling: '150' }),
      cap({ id: 'c-usd', unit: 'nano_usd', ceiling: '1000000000' }),
      cap({ id: 'd-time', unit: 'milliseconds', ceiling: '60000' }),
      cap({ id: 'e-time', unit: 'milliseconds', ceiling: '90000' }),
    ]),
  };
  const start = { inputTokens: 40n, outputTokens: 100n, costNanoUsd: usd, elapsedMs: 59_999.9 };
  const cut = (progress: Partial<typeof start> | { costNanoUsd: null }) => checkCaps(plan, { ...start, ...progress });
  t.equal(cut({}), null);
  t.strictSame(cut({ outputTokens: 101n }), {
    limitId: 'a-out',
    reason: 'Cut by limit a-out: 101 output tokens so far, ceiling 100 a run.',
  });
  t.match(cut({ inputTokens: 51n }), { limitId: 'b-total', reason: /151 tokens so far, ceiling 150 a run/ });
  t.match(cut({ costNanoUsd: usd + 1n }), { limitId: 'c-usd', reason: /\$1\.000000001 so far/ });
  t.equal(cut({ costNanoUsd: null }), null, 'what has no price passes no cap on cost');
  t.match(cut({ elapsedMs: 60_000 }), { limitId: 'd-time', reason: /60000 ms so far, ceiling 60000 a run/ });
  t.equal(durationCapMs(plan), 60_000);
  t.equal(durationCapMs({ caps: [] }), null);
  t.equal(outputRoom(plan, 40n), 100n);
  t.equal(outputRoom(plan, 149n), 1n);
  t.equal(outputRoom(plan, 500n), 0n);
  t.equal(outputRoom({ caps: [] }, 40n), null);
  t.end();
});

t.test('a top-up raises what grows and lowers nothing', (t) => {
  const plan = planReservation(everyKind, { run, amounts: bounded, nowMs });
  const more = raiseItems(plan, { ...bounded, outputTokens: 2024n, costNanoUsd: 900_000_000n });
  t.strictSame(
    more.map(({ amount }) => amount),
    [1n, 1n, 3000n, 2024n, 5024n, 900_000_000n],
  );
  t.equal(computeMoneyReserved(plan, more), 900_000_000n);
  t.strictSame(raiseItems({ ...plan, items: more }, bounded), more);
  t.strictSame(
    raiseItems({ ...plan, items: more }, { ...unpriced, outputTokens: null }),
    more,
    'nor what is not known',
  );
  t.end();
});

t.test('tokens settle at what was reported; what is silent settles at what was reserved', (t) => {
  const plan = planReservation(everyKind, { run, amounts: bounded, nowMs });
  const settled = (input: number | null, output: number | null) =>
    settleAmounts(
      plan,
      { costNanoUsd: 5n, usage: { ...noUsage, input_tokens: input, output_tokens: output } },
      plan.items,
    ).map(({ amount }) => amount);
  t.strictSame(settled(700, 30), ['1', '0', '700', '30', '730', '5']);
  t.strictSame(settled(9000, 0), ['1', '0', '9000', '0', '9000', '5'], 'more than was reserved is settled in full');
  t.strictSame(settled(700, null), ['1', '0', '700', '1000', '4000', '5']);
  t.strictSame(settled(9000, null), ['1', '0', '9000', '1000', '9000', '5'], 'the known part, if it is more');
  t.strictSame(settled(-3, 1.5), ['1', '0', '0', '2', '2', '5']);
  t.strictSame(settled(Number.NaN, Number.POSITIVE_INFINITY).slice(2, 5), [
    '3000',
    '9000000000000000',
    '9000000000000000',
  ]);
  t.end();
});

t.test('charges tell what was reserved in the end, what it came to and the very reading', (t) => {
  const plan = planReservation(everyKind, { run, amounts: bounded, nowMs });
  const raised = raiseItems(plan, { ...bounded, outputTokens: 2000n });
  const readings = plan.items.map((_, index) => ({ ...reading(10n, 5n), near: index === 4 }));
  const settled = settleAmounts(plan, { costNanoUsd: 10n ** 9n, usage: null }, raised);
  const charges = chargesOf(plan, raised, { settled, readings });
  t.strictSame(charges[4], {
    id: 'tokens-total',
    reserved: '5000',
    settled: '5000',
    taken: '15',
    ceiling: '1000000',
    near: true,
  });
  t.match(charges[5], { id: 'usd', reserved: '720000000', settled: '1000000000' }, 'an overrun');
  t.match(
    chargesOf(plan, raised, { settled: null, readings: [] }),
    [{ reserved: '1', settled: '1', taken: null, near: false }],
    'an intent',
  );
  t.ok(
    chargesOf(plan, raised, { settled: [], readings }).every((charge) => charge.settled === '0'),
    'released at nothing',
  );
  t.strictSame(chargeOfRefusal(pick(everyKind, 'requests'), reading(600n, 0n)), {
    id: 'requests',
    reserved: '0',
    settled: '0',
    taken: '600',
    ceiling: '600',
    near: false,
  });
  t.equal(chargeOfRefusal(pick(everyKind, 'z-cap'), null).taken, null);
  t.end();
});

t.test('caps count in the proximity of a run, with what it took', (t) => {
  const plan = { limits: compileLimits([limit({ id: 'a' })]), caps: compileLimits([cap({ id: 'c' })]) };
  const of = (outputTokens: bigint) => {
    const progress = { inputTokens: 0n, outputTokens, costNanoUsd: null, elapsedMs: 0 };
    return computeProximity(plan, [reading(0n, 1n)], { progress });
  };
  t.strictSame([3199n, 3200n, 3999n, 4000n].map(of), ['ok', 'near', 'near', 'breach']);
  t.equal(computeProximity(plan, [reading(0n, 1n)]), 'ok');
  t.end();
});

t.test('without Redis the strictest of the limits that apply decides; caps need none', (t) => {
  const modes = (...limits: Parameters<typeof compileLimits>[0][number][]) =>
    planReservation(compileLimits(limits), { run, amounts: bounded, nowMs }).redisDown;
  const local = limit({ id: 'a', when_redis_is_down: 'local' });
  const allow = money({ id: 'b', when_redis_is_down: 'allow' });
  t.equal(modes(local, allow), 'local');
  t.equal(modes(local, allow, tokens({ id: 'c' })), 'refuse');
  t.equal(modes(allow), 'allow');
  t.equal(modes(cap({ id: 'd' })), 'allow');
  t.end();
});

t.test('a limit on a sub-tenant binds all below it; splitting by sub-tenant counts its own', (t) => {
  const paths = computeSubTenantPaths([
    { slug: 'root', parent: null },
    { slug: 'team', parent: 'root' },
    { slug: 'leaf', parent: 'team' },
    { slug: 'lost', parent: 'gone' },
    { slug: 'loop', parent: 'loop' },
  ]);
  t.strictSame(paths.get('leaf'), ['leaf', 'team', 'root']);
  t.strictSame(paths.get('lost'), ['lost']);
  t.strictSame(paths.get('loop'), ['loop']);
  const limits = compileLimits([
    limit({ id: 'leaf', match: { sub_tenant: 'leaf' } }),
    limit({ id: 'root', match: { sub_tenant: 'root' } }),
    limit({ id: 'split', by: ['subTenant'], match: { sub_tenant: 'root' } }),
  ]);
  const keys = (subTenant: string | null) => {
    const subTenantPath = subTenant === null ? [] : (paths.get(subTenant) ?? []);
    return planReservation(limits, { run: { ...run, subTenant, subTenantPath }, amounts: bounded, nowMs }).items.map(
      ({ key }) => key,
    );
  };
  t.strictSame(keys('leaf'), ['c:leaf:*', 'c:root:*', 'c:split:leaf']);
  t.strictSame(keys('team'), ['c:root:*', 'c:split:team']);
  t.strictSame(keys('lost'), []);
  t.strictSame(keys(null), []);
  t.end();
});

t.test('a recorded run finds the counter that it was reserved in', (t) => {
  const entry = tokens({ id: 'a', by: ['actor', 'model', 'tag:team'] });
  const [item] = planReservation(compileLimits([entry]), { run, amounts: bounded, nowMs }).items;
  t.equal(subjectKey(entry, run), item?.key);
  t.strictSame(windowOf(entry), item?.window);
  t.equal(subjectKey(entry, { ...run, tags: {} }), null);
  t.strictSame(windowOf(concurrency({ id: 'b' })), { align: 'none' });
  t.equal(windowOf(cap({ id: 'c' })), null);
  t.end();
});

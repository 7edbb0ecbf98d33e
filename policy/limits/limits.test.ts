import fc from 'fast-check';
import t from 'tap';
import { HocError } from '../../storage/schema/errors.ts';
import {
  compileLimits,
  computeProximity,
  explainRefusal,
  formatUsd,
  parseWindow,
  planReservation,
  settleAmounts,
} from './index.ts';
import { nameCounter } from './subject.ts';
import { bounded, limit, money, nowMs, pick, reading, run, unbounded, unpriced, usd } from './test-limits.ts';
import { findClose, findPosition } from './window.ts';

t.test('a window starts and ends at its UTC boundary', (t) => {
  const table: [string, string, string, string][] = [
    ['1m', '2026-11-22T15:59:59.999Z', '2026-11-22T15:59:00Z', '2026-11-22T16:00:00Z'],
    ['15m', '2026-11-22T15:59:59.999Z', '2026-11-22T15:45:00Z', '2026-11-22T16:00:00Z'],
    ['1d', '2026-11-22T00:00:00.000Z', '2026-11-22T00:00:00Z', '2026-11-23T00:00:00Z'],
    ['1w', '2026-11-22T23:59:59.999Z', '2026-11-16T00:00:00Z', '2026-11-23T00:00:00Z'],
    ['7d', '2026-11-23T00:00:00.000Z', '2026-11-23T00:00:00Z', '2026-11-30T00:00:00Z'],
    ['1mo', '2028-02-29T12:00:00.000Z', '2028-02-01T00:00:00Z', '2028-03-01T00:00:00Z'],
    ['3mo', '2026-11-22T12:00:00.000Z', '2026-10-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['12mo', '2026-11-22T12:00:00.000Z', '2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z'],
  ];
  for (const [text, at, start, end] of table) {
    const window = parseWindow(text, 'calendar');
    const position = findPosition(window, Date.parse(at));
    t.equal(findClose(window, position - 1), Date.parse(start), `${text} starts`);
    t.equal(findClose(window, position), Date.parse(end), `${text} ends`);
  }
  t.end();
});

t.test('a rolling charge counts for its whole window and a sixtieth longer at most', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4e12 }), fc.constantFrom('1m', '7m', '1h', '1mo'), (atMs, text) => {
      const window = parseWindow(text, 'rolling');
      const lengthMs = 'windowMs' in window ? window.windowMs : 0;
      const counted = findClose(window, findPosition(window, atMs)) - atMs;
      return counted > lengthMs && counted <= lengthMs + lengthMs / 60;
    }),
  );
  t.end();
});

t.test('a text that is no window is refused', (t) => {
  for (const text of ['', '0m', '1', 'm', '1s', '01m', '1.5h', '-1d', '1 m', '9999d', '1M', '1mo ']) {
    t.throws(() => parseWindow(text, 'rolling'), HocError, JSON.stringify(text));
  }
  t.end();
});

t.test('two different subjects never share a counter', (t) => {
  const value = fc.oneof(fc.constantFrom('a', 'b', ',', 'a,b', '*', '~', '', 'a:b'), fc.string({ maxLength: 4 }));
  fc.assert(
    fc.property(fc.array(value, { maxLength: 3 }), fc.array(value, { maxLength: 3 }), (a, b) => {
      const same = JSON.stringify(a) === JSON.stringify(b);
      return (nameCounter('l', a) === nameCounter('l', b)) === same;
    }),
    { numRuns: 2000 },
  );
  t.equal(nameCounter('app-rpm', []), 'c:app-rpm:*');
  t.equal(nameCounter('app-rpm', ['key_1', 'user-a@x.org']), 'c:app-rpm:key_1,user-a@x.org');
  t.match(nameCounter('app-rpm', ['ü']), /^c:app-rpm:~[0-9a-f]{32}$/);
  t.match(nameCounter('app-rpm', ['a'.repeat(200)]), /^c:app-rpm:~[0-9a-f]{32}$/);
  t.match(nameCounter('app-rpm', ['\ud800']), /^c:app-rpm:~[0-9a-f]{32}$/);
  t.not(nameCounter('app-rpm', ['\ud800']), nameCounter('app-rpm', ['\ud801']));
  t.end();
});

t.test('a plan holds the limits that match, by id, and names those whose dimension is missing', (t) => {
  const limits = compileLimits([
    limit({ id: 'z-all' }),
    limit({ id: 'b-key', by: ['key'], match: { key: 'app' } }),
    limit({ id: 'a-other', match: { key: 'other' } }),
    limit({ id: 'c-model', by: ['model', 'tag:team'], match: { model: 'gpt-4O', tag: 'team=x' } }),
    limit({ id: 'd-missing', by: ['tag:absent'] }),
    limit({ id: 'e-proto', by: ['tag:constructor'] }),
    limit({ id: 'f-empty', by: ['tag:empty'], match: { tag: 'empty' } }),
  ]);
  const plan = planReservation(limits, { run, amounts: bounded, nowMs });
  t.strictSame(
    plan.items.map(({ key }) => key.replace(/~.*/, '~')),
    ['c:b-key:key_1', 'c:c-model:gpt-4o,x', 'c:f-empty:~', 'c:z-all:*'],
  );
  t.strictSame(
    plan.limits.map(({ id }) => id),
    ['b-key', 'c-model', 'f-empty', 'z-all'],
  );
  t.strictSame(plan.skipped, ['d-missing', 'e-proto']);
  t.equal(plan.refusal, null);
  t.equal(plan.moneyReservedNanoUsd, null);
  t.equal(plan.redisDown, 'refuse');
  t.end();
});

t.test('without a limit that applies nothing is reserved and Redis is not needed', (t) => {
  const plan = planReservation(compileLimits([limit({ id: 'x', match: { actor: 'nobody' } })]), {
    run,
    amounts: bounded,
    nowMs,
  });
  t.strictSame(plan.items, []);
  t.equal(plan.redisDown, 'allow');
  t.end();
});

t.test('a money limit takes the worst case, else the stated ceiling, else refuses', (t) => {
  const refusing = compileLimits([money({ id: 'eng-day' })]);
  const stating = compileLimits([
    money({ id: 'eng-day', unpriced: { ceiling_nano_usd: '5' }, unbounded: { ceiling_nano_usd: '900000000' } }),
  ]);
  t.equal(planReservation(refusing, { run, amounts: bounded, nowMs }).moneyReservedNanoUsd, 720_000_000n);
  t.equal(planReservation(stating, { run, amounts: unpriced, nowMs }).moneyReservedNanoUsd, 5n);
  t.equal(planReservation(stating, { run, amounts: unbounded, nowMs }).moneyReservedNanoUsd, 900_000_000n);
  const known = { ...unbounded, costNanoUsd: 1_000_000_000n };
  t.equal(
    planReservation(stating, { run, amounts: known, nowMs }).moneyReservedNanoUsd,
    1_000_000_000n,
    'the known part, if it is more',
  );
  t.equal(
    planReservation(refusing, { run, amounts: unpriced, nowMs }).refusal?.reason,
    'Blocked by limit eng-day: no price is known for model GPT-4o, and the limit refuses runs without a price.',
  );
  t.equal(planReservation(refusing, { run, amounts: unbounded, nowMs }).refusal?.limitId, 'eng-day');
  t.equal(
    planReservation(refusing, { run, amounts: { ...bounded, costNanoUsd: 9_000_000_000_000_001n }, nowMs }).refusal
      ?.reason,
    'Blocked by limit eng-day: $9,000,000.000000001 worst case, ceiling $50.00.',
  );
  t.end();
});

t.test('a refusal is told in the words of the console, with its reading', (t) => {
  const limits = compileLimits([
    money({ id: 'eng-day' }),
    limit({ id: 'eng-rpm' }),
    limit({ id: 'eng-rpd', window: '1d', align: 'calendar', ceiling: '3' }),
  ]);
  const byId = (id: string) => pick(limits, id);
  t.strictSame(explainRefusal(byId('eng-day'), reading(49_200_000_000n, 310_000_000n, 1000), 720_000_000n), {
    reason: 'Blocked by limit eng-day: $49.20 used + $0.31 reserved + $0.72 worst case = $50.23, ceiling $50.00.',
    retryAfterMs: 1000,
  });
  t.equal(
    explainRefusal(byId('eng-rpm'), reading(590n, 10n, 7), 1n).reason,
    'Blocked by limit eng-rpm: 600 of 600 requests used in the last 1m.',
  );
  t.equal(
    explainRefusal(byId('eng-rpd'), reading(3n, 0n, 7), 1n).reason,
    'Blocked by limit eng-rpd: 3 of 3 requests used in this UTC day.',
  );
  const never = explainRefusal(byId('eng-day'), reading(0n, 0n, 1000), 51n * usd);
  t.equal(never.retryAfterMs, null, 'waiting cannot help');
  t.end();
});

t.test('dollars are written exactly', (t) => {
  const table: [bigint, string][] = [
    [0n, '$0.00'],
    [1n, '$0.000000001'],
    [720_000_000n, '$0.72'],
    [712_500n, '$0.0007125'],
    [1_234_500_000_000n, '$1,234.50'],
    [9_000_000_000_000_000n, '$9,000,000.00'],
    [8_999_999_999_999_999n, '$8,999,999.999999999'],
    [-1_500_000_000n, '-$1.50'],
  ];
  for (const [nano, text] of table) t.equal(formatUsd(nano), text);
  t.end();
});

t.test('proximity is ok under the near mark, near from it, breach from 100 %', (t) => {
  const limits = compileLimits([limit({ id: 'a', ceiling: '9000000000000000', near: 80 })]);
  const table: [bigint, string][] = [
    [7_199_999_999_999_999n, 'ok'],
    [7_200_000_000_000_000n, 'near'],
    [8_999_999_999_999_999n, 'near'],
    [9_000_000_000_000_000n, 'breach'],
  ];
  for (const [taken, proximity] of table) {
    t.equal(computeProximity({ limits }, [reading(taken - 1n, 1n)]), proximity);
  }
  t.equal(computeProximity({ limits }, [reading(0n, 0n)], { refused: true }), 'breach', 'refused');
  t.equal(computeProximity({ limits: [] }, []), 'ok');
  t.end();
});

t.test('a finished run settles one request and its cost, or what was reserved where the cost is unknown', (t) => {
  const limits = compileLimits([money({ id: 'a' }), limit({ id: 'b' })]);
  const plan = planReservation(limits, { run, amounts: bounded, nowMs });
  const amounts = (costNanoUsd: bigint | null) =>
    settleAmounts(plan, { costNanoUsd, usage: null }, plan.items).map(({ amount }) => amount);
  t.strictSame(amounts(5n), ['5', '1']);
  t.strictSame(amounts(0n), ['0', '1']);
  t.strictSame(amounts(null), ['720000000', '1']);
  t.strictSame(amounts(10n ** 17n), ['9000000000000000', '1']);
  t.end();
});

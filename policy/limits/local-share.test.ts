import fc from 'fast-check';
import t from 'tap';
import { compileLimits, createLocalShare, type LocalShare, planReservation } from './index.ts';
import { bounded, limit, money, nowMs, run } from './test-limits.ts';

function planFor(fields: Partial<Parameters<typeof limit>[0]> = {}, actor = 'user-a') {
  const limits = compileLimits([
    limit({ id: 'rpm', ceiling: '8', when_redis_is_down: 'local', ...fields }),
    money({ id: 'usd', when_redis_is_down: 'allow' }),
  ]);
  return planReservation(limits, { run: { ...run, actor }, amounts: bounded, nowMs });
}

const at = (ms: number, proxies = 2, tenant = 'acme') => ({ tenant, proxies, nowMs: nowMs + ms });

function countAdmitted(share: LocalShare, plan: ReturnType<typeof planFor>, when: ReturnType<typeof at>): number {
  let admitted = 0;
  while (share.admit(plan, when) === null) admitted += 1;
  return admitted;
}

t.test('while Redis is away a proxy admits its share, less what it admitted in the window before', (t) => {
  const share = createLocalShare();
  const plan = planFor();
  t.equal(countAdmitted(share, plan, at(0)), 4, 'a fresh proxy');
  const busy = createLocalShare();
  busy.note(plan, at(0));
  busy.note(plan, at(1));
  busy.note(plan, at(2));
  t.equal(countAdmitted(busy, plan, at(3)), 1);
  t.match(busy.admit(plan, at(4)), {
    index: 0,
    cause: 'share',
    retryAfterMs: 60_996,
    reason:
      "Blocked by limit rpm: 4 of this proxy's share of 4 requests (ceiling 8, proxies 2) is used, while the counters of all proxies are unavailable.",
  });
  t.end();
});

t.test('what it admitted before counts until its window has passed', (t) => {
  const share = createLocalShare();
  const plan = planFor();
  for (let i = 0; i < 4; i += 1) share.note(plan, at(0));
  t.not(share.admit(plan, at(59_999)), null);
  share.note(planFor({ id: 'other' }), at(60_000));
  t.equal(countAdmitted(share, plan, at(61_000)), 4);
  const day = planFor({ window: '1d', align: 'calendar' });
  for (let i = 0; i < 4; i += 1) share.note(day, at(0));
  t.not(share.admit(day, at(11 * 3_600_000)), null);
  share.note(planFor({ id: 'other' }), at(0));
  t.equal(countAdmitted(share, day, at(12 * 3_600_000)), 4, 'a new UTC day');
  t.end();
});

t.test('a minute after the counters were found away every run is refused, until they grant again', (t) => {
  const share = createLocalShare();
  const plan = planFor({ ceiling: '1000000' });
  t.equal(share.admit(plan, at(0)), null);
  t.equal(share.admit(plan, at(59_999)), null);
  t.match(share.admit(plan, at(60_000)), { index: 0, cause: 'away', retryAfterMs: null, reason: /more than 60 s/ });
  t.equal(share.admit(plan, at(60_000, 2, 'globex')), null, 'each tenant for itself');
  share.note(plan, at(60_001));
  t.equal(share.admit(plan, at(60_002)), null);
  t.end();
});

t.test('a ceiling below the number of proxies admits nobody', (t) => {
  const share = createLocalShare();
  const refusal = share.admit(planFor({ ceiling: '3' }), at(0, 4));
  t.match(refusal, { cause: 'share', retryAfterMs: null, reason: /share of 0 requests \(ceiling 3, proxies 4\)/ });
  t.equal(countAdmitted(share, planFor({ ceiling: '3' }), at(0, 0)), 3, 'this proxy counts where none is known');
  t.end();
});

t.test('limits that do not ask for a share are not counted, and refuse nobody here', (t) => {
  const share = createLocalShare();
  const plan = planFor({ when_redis_is_down: 'allow' });
  for (let i = 0; i < 100; i += 1) t.equal(share.admit(plan, at(0)), null);
  t.end();
});

t.test('subjects, tenants and limits have shares of their own', (t) => {
  const share = createLocalShare();
  const by = { by: ['actor'] as const };
  t.equal(countAdmitted(share, planFor(by, 'a'), at(0)), 4);
  t.equal(countAdmitted(share, planFor(by, 'b'), at(0)), 4);
  t.equal(countAdmitted(share, planFor(by, 'a'), at(0, 2, 'globex')), 4);
  t.equal(countAdmitted(share, planFor({ ...by, id: 'other' }, 'a'), at(0)), 4);
  t.end();
});

t.test('a subject whose count had to be dropped is refused rather than forgotten', (t) => {
  const share = createLocalShare();
  const [first, last] = [planFor({ by: ['actor'] }, 'u0'), planFor({ by: ['actor'] }, 'u20000')];
  for (let i = 0; i <= 20_000; i += 1) share.note(i === 0 ? first : planFor({ by: ['actor'] }, `u${i}`), at(0));
  t.match(share.admit(first, at(1)), { cause: 'share', reason: /an unknown part of/ });
  t.equal(share.admit(last, at(1)), null);
  share.note(last, at(62_000));
  t.equal(share.admit(first, at(62_001)), null, 'once its window has passed it starts anew');
  t.end();
});

t.test('over all proxies no span of a window ever holds more than the ceiling', (t) => {
  const step = fc.record({ proxy: fc.nat(2), afterMs: fc.nat(4000) });
  const windowMs = 60_000;
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 30 }), fc.array(step, { maxLength: 300 }), (ceiling, steps) => {
      const proxies = [createLocalShare(), createLocalShare(), createLocalShare()];
      const plan = planFor({ ceiling: `${ceiling + 1}` });
      const admitted: number[] = [];
      let ms = 0;
      for (const { proxy, afterMs } of steps) {
        ms += afterMs;
        const share = proxies[proxy];
        // A grant of something else tells that the counters are there, so that the minute never ends here.
        share?.note(planFor({ id: 'other', match: {} }), at(ms, 3));
        if (share?.admit(plan, at(ms, 3)) === null) admitted.push(ms);
      }
      return admitted.every(
        (end) => admitted.filter((one) => one <= end && one > end - windowMs).length <= ceiling + 1,
      );
    }),
    { numRuns: 60 },
  );
  t.end();
});

import fc from 'fast-check';
import t from 'tap';
import type { CounterWindow, ReserveReply } from '../../storage/schema/reservation.ts';
import { specification } from './index.ts';

const { applyCall, countOnce, expire, nothingReserved, read, reserve, settle } = specification;
const day: CounterWindow = { align: 'calendar', unitMs: 86_400_000 };
const minute: CounterWindow = { align: 'rolling', windowMs: 60_000 };
const none: CounterWindow = { align: 'none' };
const noon = Date.parse('2026-11-22T12:00:00Z');

const item = (window: CounterWindow, amount: bigint, ceiling = 100n, key = 'c:l:*') => ({
  limitId: 'l',
  key,
  amount,
  ceiling,
  near: (ceiling * 8n) / 10n,
  window,
});
const request = (runId: string, ...items: ReturnType<typeof item>[]) => ({ runId, expiresInMs: 1000, items });

t.test('what does not fit is refused with the first limit and takes nothing of any', (t) => {
  const first = reserve(nothingReserved, request('a', item(day, 60n)), noon);
  const second = reserve(first.state, request('b', item(day, 1n, 100n, 'other'), item(day, 41n)), noon);
  t.match(second.reply, { kind: 'refused', refused: 1, readings: [{ reserved: 0n }, { used: 0n, reserved: 60n }] });
  t.equal(reserve(second.state, request('c', item(day, 40n)), noon).reply.kind, 'granted');
  t.end();
});

t.test('a settlement frees the unused part, once', (t) => {
  const { state } = reserve(nothingReserved, request('a', item(day, 60n)), noon);
  const once = settle(state, { runId: 'a', items: [{ key: 'c:l:*', amount: 7n }] }, noon);
  const twice = settle(once, { runId: 'a', items: [{ key: 'c:l:*', amount: 50n }] }, noon);
  t.match(read(once, item(day, 0n), noon), { used: 7n, reserved: 0n, resetsInMs: 12 * 3_600_000 });
  t.match(read(twice, item(day, 0n), noon), { used: 7n, reserved: 0n });
  t.end();
});

t.test('an expired reservation counts as spent until a late settlement replaces it in its window', (t) => {
  const { state } = reserve(nothingReserved, request('a', item(day, 60n)), noon);
  const expired = expire(state, 8, noon + 1000);
  t.match(read(expired, item(day, 0n), noon + 1000), { used: 60n, reserved: 0n });
  const late = settle(expired, { runId: 'a', items: [{ key: 'c:l:*', amount: 3n }] }, noon + 5000);
  t.match(read(late, item(day, 0n), noon + 5000), { used: 3n, reserved: 0n });
  const tomorrow = noon + 86_400_000;
  const passed = settle(expired, { runId: 'a', items: [{ key: 'c:l:*', amount: 3n }] }, tomorrow);
  t.match(read(passed, item(day, 0n), tomorrow), { used: 0n, reserved: 0n });
  t.end();
});

t.test('an expired slot of a concurrency limit is free again', (t) => {
  const { state } = reserve(nothingReserved, request('a', item(none, 1n, 1n)), noon);
  t.equal(reserve(state, request('b', item(none, 1n, 1n)), noon).reply.kind, 'refused');
  t.equal(reserve(expire(state, 8, noon + 1000), request('b', item(none, 1n, 1n)), noon).reply.kind, 'granted');
  t.end();
});

t.test('the same request twice is one reservation, and a larger one tops it up or is refused', (t) => {
  const first = reserve(nothingReserved, request('a', item(day, 60n)), noon);
  const again = reserve(first.state, request('a', item(day, 60n)), noon);
  t.match(again.reply, { kind: 'granted', readings: [{ reserved: 60n }] });
  const raised = reserve(again.state, request('a', item(day, 90n)), noon);
  t.match(raised.reply, { kind: 'granted', readings: [{ reserved: 90n }] });
  const tooMuch = reserve(raised.state, request('a', item(day, 101n)), noon);
  t.match(tooMuch.reply, { kind: 'refused', readings: [{ reserved: 90n }] });
  t.end();
});

const nearOf = ({ reply }: { reply: ReserveReply }) => reply.kind === 'granted' && reply.readings[0]?.near;

t.test(
  'a run that takes more after its window has passed is held in the next one, and refused where that is full',
  (t) => {
    for (const window of [day, minute]) {
      const later = noon + (window === day ? 86_400_000 : 120_000);
      const { state } = reserve(
        nothingReserved,
        { ...request('a', item(window, 60n)), expiresInMs: 172_800_000 },
        noon,
      );
      const renewed = reserve(state, request('a', item(window, 60n)), later);
      t.match(renewed.reply, { kind: 'granted', readings: [{ used: 0n, reserved: 0n }] }, 'a renewal takes nothing');
      t.match(reserve(state, request('a', item(window, 101n)), later).reply, { kind: 'refused', refused: 0 });
      const raised = reserve(state, request('a', item(window, 70n)), later);
      t.match(raised.reply, { kind: 'granted', readings: [{ used: 0n, reserved: 70n }] });
      t.equal(reserve(raised.state, request('b', item(window, 31n)), later).reply.kind, 'refused');
      const again = reserve(raised.state, request('a', item(window, 80n)), later);
      t.match(
        again.reply,
        { kind: 'granted', readings: [{ used: 0n, reserved: 80n }] },
        'from there on by what is more',
      );
      const settled = settle(again.state, { runId: 'a', items: [{ key: 'c:l:*', amount: 75n }] }, later);
      t.match(read(settled, item(window, 0n), later), { used: 75n, reserved: 0n });
    }
    t.end();
  },
);

t.test('a calendar window tells once that it is near, whatever is given back, and the next window tells anew', (t) => {
  const told: unknown[] = [];
  let state = nothingReserved;
  const ask = (runId: string, amount: bigint, nowMs: number, ceiling = 100n) => {
    const done = reserve(state, { ...request(runId, item(day, amount, ceiling)), expiresInMs: 1e12 }, nowMs);
    state = done.state;
    told.push(nearOf(done));
  };
  ask('a', 79n, noon);
  ask('b', 1n, noon);
  ask('c', 1n, noon);
  state = settle(state, { runId: 'a', items: [] }, noon);
  ask('d', 90n, noon);
  ask('e', 60n, noon, 200n);
  ask('f', 80n, noon + 86_400_000);
  t.strictSame(told, [false, true, false, false, false, true]);
  t.end();
});

t.test('a rolling window tells that it is near again only when a whole window has passed since', (t) => {
  const told: unknown[] = [];
  let state = nothingReserved;
  for (let second = 0; second <= 130; second += 1) {
    const done = reserve(
      state,
      { ...request(`${second}`, item(minute, 1n, 100n)), expiresInMs: 1e12 },
      noon + second * 1000,
    );
    state = done.state;
    // 60 or 61 runs stand in the window from the first minute on.
    const near = reserve(
      state,
      { ...request('x', { ...item(minute, 0n), near: 60n }), expiresInMs: 1 },
      noon + second * 1000,
    );
    if (nearOf(near)) told.push(second);
    state = near.state;
  }
  t.strictSame(told, [59, 120]);
  t.end();
});

t.test('concurrency tells that it is near again only when it had fallen below the mark', (t) => {
  let state = nothingReserved;
  const ask = (runId: string, near: bigint) => {
    const done = reserve(state, { ...request(runId, { ...item(none, 1n, 10n), near }), expiresInMs: 1e12 }, noon);
    state = done.state;
    return nearOf(done);
  };
  const leave = (runId: string) => {
    state = settle(state, { runId, items: [] }, noon);
  };
  t.strictSame([ask('a', 3n), ask('b', 3n), ask('c', 3n), ask('d', 3n)], [false, false, true, false]);
  leave('a');
  t.equal(ask('e', 3n), false, 'it stood at the mark');
  for (const runId of ['b', 'c']) leave(runId);
  t.equal(ask('f', 3n), true, 'it had fallen below');
  t.equal(ask('g', 4n), false, 'a higher ceiling tells nothing anew');
  t.equal(ask('h', 2n), false, 'nor does a lower one');
  for (const runId of ['d', 'e', 'f', 'g', 'h']) leave(runId);
  t.strictSame([ask('i', 2n), ask('j', 2n)], [false, true]);
  t.end();
});

t.test('what a refused run would have brought to its mark is not near', (t) => {
  const first = reserve(nothingReserved, request('a', item(day, 70n)), noon);
  const refused = reserve(first.state, request('b', item(day, 40n)), noon);
  t.match(refused.reply, { kind: 'refused', readings: [{ near: false }] });
  t.equal(nearOf(reserve(refused.state, request('c', item(day, 10n)), noon)), true);
  t.end();
});

t.test('a run that was settled for good holds and charges nothing any more, for a day', (t) => {
  const open = reserve(nothingReserved, request('a', item(day, 60n)), noon).state;
  for (const state of [open, nothingReserved]) {
    const gone = settle(state, { runId: 'a', items: [{ key: 'c:l:*', amount: 7n }], final: true }, noon);
    const before = read(gone, item(day, 0n), noon);
    const asked = reserve(gone, request('a', item(day, 90n)), noon);
    t.same(asked.reply, { kind: 'gone' });
    const late = settle(asked.state, { runId: 'a', items: [{ key: 'c:l:*', amount: 50n }] }, noon);
    const counted = countOnce(late, { runId: 'a', atMs: noon, items: [{ ...item(day, 50n) }] }, noon);
    t.same(read(counted, item(day, 0n), noon), before);
    const nearly = reserve(expire(counted, 8, noon + 86_399_999), request('a', item(day, 1n)), noon + 86_399_999);
    t.equal(nearly.reply.kind, 'gone');
    const after = expire(counted, 8, noon + 86_400_000);
    t.equal(reserve(after, request('a', item(day, 1n)), noon + 86_400_000).reply.kind, 'granted');
  }
  t.end();
});

t.test('a run that nobody reserved is counted once, where it was let through, above any ceiling', (t) => {
  const run = {
    runId: 'a',
    atMs: noon - 30_000,
    items: [item(day, 500n), item(minute, 3n, 1n, 'm'), item(none, 1n, 1n, 'n')],
  };
  const once = countOnce(nothingReserved, run, noon);
  const twice = countOnce(once, { ...run, atMs: noon }, noon);
  for (const state of [once, twice]) {
    t.match(read(state, item(day, 0n), noon), { used: 500n, reserved: 0n });
    t.match(read(state, item(minute, 0n, 1n, 'm'), noon + 20_000), { used: 3n });
    t.match(read(state, item(minute, 0n, 1n, 'm'), noon + 40_000), { used: 0n }, 'it left with its own instant');
    t.match(read(state, item(none, 0n, 1n, 'n'), noon), { used: 0n, reserved: 0n });
  }
  const passed = countOnce(nothingReserved, { ...run, atMs: noon - 86_400_000 }, noon);
  t.match(read(passed, item(day, 0n), noon), { used: 0n });
  t.end();
});

t.test('expired runs are counted, and those that were settled or went on after all', (t) => {
  let state = nothingReserved;
  for (const runId of ['a', 'b', 'c']) state = reserve(state, request(runId, item(day, 5n)), noon).state;
  state = reserve(state, request('slot', item(none, 1n, 1n, 'n')), noon).state;
  state = expire(state, 8, noon + 1000);
  t.same(state.expiries, { count: 3, madeGood: 0, firstAtMs: noon + 1000, lastAtMs: noon + 1000 });
  state = settle(state, { runId: 'a', items: [] }, noon + 2000);
  state = reserve(state, request('b', item(day, 5n)), noon + 2000).state;
  t.match(state.expiries, { count: 3, madeGood: 2 });
  t.match(expire(state, 8, noon + 3000).expiries, { count: 4, firstAtMs: noon + 1000, lastAtMs: noon + 3000 });
  t.end();
});

t.test('the calls of each caller are counted', (t) => {
  const call = (caller: string) => ({ caller, nowMs: noon, sweep: 0, settles: [], reserves: [] });
  const first = applyCall(nothingReserved, call('a'));
  const second = applyCall(first.state, call('b'));
  const third = applyCall(second.state, call('a'));
  t.strictSame([first.tick, second.tick, third.tick], [1, 1, 2]);
  t.end();
});

t.test('no span of a rolling window ever holds more than the ceiling', (t) => {
  const tries = fc.array(fc.integer({ min: 0, max: 4000 }), { minLength: 20, maxLength: 120 });
  fc.assert(
    fc.property(tries, fc.integer({ min: 0, max: 999 }), (gaps, offset) => {
      let state = nothingReserved;
      let nowMs = noon + offset;
      const granted: number[] = [];
      for (const [number, gap] of gaps.entries()) {
        nowMs += gap;
        const done = reserve(state, { ...request(`${number}`, item(minute, 1n, 5n)), expiresInMs: 1e9 }, nowMs);
        state = done.state;
        if (done.reply.kind === 'granted') granted.push(nowMs);
      }
      return granted.every((at) => granted.filter((other) => other >= at && other < at + 60_000).length <= 5);
    }),
    { numRuns: 50 },
  );
  t.end();
});

t.test('what is used and reserved never passes the ceiling while costs stay within what was reserved', (t) => {
  const step = fc.record({
    runId: fc.constantFrom('a', 'b', 'c', 'd'),
    amount: fc.bigInt(0n, 9_000_000_000_000_000n),
    advanceMs: fc.integer({ min: 0, max: 20_000 }),
    window: fc.constantFrom(day, minute),
    settles: fc.boolean(),
  });
  const ceiling = 9_000_000_000_000_000n;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let state = nothingReserved;
      let nowMs = noon;
      const held = new Map<string, bigint>();
      const keyOf = ({ align }: CounterWindow) => `c:${align}:*`;
      for (const { runId, amount, advanceMs, window, settles } of steps) {
        nowMs += advanceMs;
        const costs = [day, minute].map((one) => {
          const key = keyOf(one);
          return { key, amount: (held.get(runId + key) ?? 0n) / 2n };
        });
        const settled = settles ? [{ runId, items: costs }] : [];
        const key = keyOf(window);
        const reserves = settles ? [] : [request(runId, item(window, amount, ceiling, key))];
        const done = applyCall(state, { caller: 'p', nowMs, sweep: 8, settles: settled, reserves });
        state = done.state;
        if (done.replies[0]?.kind === 'granted') held.set(runId + key, amount);
        if (settles) for (const one of costs) held.delete(runId + one.key);
        for (const one of [day, minute]) {
          const { used, reserved } = read(state, { key: keyOf(one), window: one }, nowMs);
          if (used < 0n || reserved < 0n || used + reserved > ceiling) return false;
        }
      }
      return true;
    }),
    { numRuns: 100 },
  );
  t.end();
});

import fc from 'fast-check';
import t from 'tap';
import type { CounterWindow } from '../../storage/schema/reservation.ts';
import { specification } from './index.ts';

const { applyCall, expire, nothingReserved, read, reserve, settle } = specification;
const day: CounterWindow = { align: 'calendar', unitMs: 86_400_000 };
const minute: CounterWindow = { align: 'rolling', windowMs: 60_000 };
const none: CounterWindow = { align: 'none' };
const noon = Date.parse('2026-11-22T12:00:00Z');

const item = (window: CounterWindow, amount: bigint, ceiling = 100n, key = 'c:l:*') => ({
  limitId: 'l',
  key,
  amount,
  ceiling,
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
        const done = applyCall(state, { nowMs, sweep: 8, settles: settled, reserves });
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

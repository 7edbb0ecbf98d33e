import fc from 'fast-check';
import type { Reserve, Settle } from '../../policy/limits/specification.ts';
import type { CounterWindow, ReservationItem } from '../schema/reservation.ts';

/** One step of a history: the clock moves, then one call of the script is made. */
export interface Step {
  advanceMs: number;
  sweep: number;
  settles: readonly Settle[];
  reserves: readonly Reserve[];
}

export interface History {
  startMs: number;
  steps: readonly Step[];
}

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** Windows of every alignment, short and long, even and odd. */
const windows: readonly CounterWindow[] = [
  { align: 'none' },
  ...[minuteMs, 7 * minuteMs, 60 * minuteMs, dayMs, 7 * dayMs, 14 * dayMs].map(
    (unitMs): CounterWindow => ({ align: 'calendar', unitMs }),
  ),
  ...[1, 3, 5, 12].map((months): CounterWindow => ({ align: 'calendar', months })),
  ...[minuteMs, 7 * minuteMs, 60 * minuteMs, dayMs, 30 * dayMs].map(
    (windowMs): CounterWindow => ({ align: 'rolling', windowMs }),
  ),
];

/** Few counters, so that runs meet on them; one key stands under several windows, as after a limit was changed. */
const subjects = ['a', 'b', '~0123', 'k:ü\u0000 \r\n$1'];
export const counters = windows.flatMap((window, number) =>
  subjects
    .slice(0, 1 + (number % subjects.length))
    .map((subject) => ({ key: `c:limit-${number % 7}:${subject}`, window })),
);

/** Few run ids, so that they come twice and out of order; some of them hostile. */
const runIds = [
  '1',
  '2',
  '3',
  '4',
  '5',
  '6',
  '7',
  '8',
  '9',
  '10',
  '',
  '\u0000',
  'a b',
  '{x}',
  '-inf',
  '"\r\n*3',
  'é€😀',
  '😀',
];

const amount = fc.oneof(
  { arbitrary: fc.bigInt(0n, 12n), weight: 4 },
  fc.bigInt(99_999_999_999_990n, 100_000_000_000_010n),
  fc.bigInt(0n, 9_000_000_000_000_000n),
  fc.bigInt(8_999_999_999_999_990n, 9_000_000_000_000_000n),
  fc.bigInt(4_503_599_627_370_490n, 4_503_599_627_370_500n),
);
const ceiling = fc.oneof(
  fc.bigInt(0n, 40n),
  fc.bigInt(100_000_000_000_000n, 100_000_000_000_100n),
  fc.bigInt(1_000_000_000_000_000n, 9_000_000_000_000_000n),
  fc.constant(9_000_000_000_000_000n),
);

const item = fc
  .record({ counter: fc.constantFrom(...counters), amount, ceiling })
  .map(({ counter, ...rest }): ReservationItem => ({ limitId: 'x', ...counter, ...rest }));

const expiry = fc.oneof(
  fc.integer({ min: 1, max: 5_000 }),
  fc.integer({ min: 1, max: 2 * dayMs }),
  fc.integer({ min: 1, max: 60 * dayMs }),
);

const reserve: fc.Arbitrary<Reserve> = fc.record({
  runId: fc.constantFrom(...runIds),
  expiresInMs: expiry,
  items: fc.uniqueArray(item, { minLength: 1, maxLength: 5, selector: ({ key }) => key }),
});

const settle: fc.Arbitrary<Settle> = fc.record({
  runId: fc.constantFrom(...runIds),
  items: fc.array(fc.record({ key: fc.constantFrom(...counters.map(({ key }) => key)), amount }), { maxLength: 12 }),
});

/** Mostly small steps, some over the ends of buckets, windows and months, a few of them backwards. */
const advance = fc.oneof(
  { arbitrary: fc.constant(0), weight: 3 },
  { arbitrary: fc.integer({ min: 1, max: 3_000 }), weight: 4 },
  fc.integer({ min: 0, max: 2 * minuteMs }),
  fc.integer({ min: 0, max: 2 * dayMs }),
  fc.integer({ min: 0, max: 70 * dayMs }),
  fc.integer({ min: -5_000, max: -1 }),
  fc.integer({ min: -40 * dayMs, max: -1 }),
);

/** Near the ends of months, years, leap days and weeks, or anywhere from 2001 to 2096. */
const start = fc.oneof(
  fc
    .record({
      at: fc.constantFrom(
        '2024-02-29',
        '2024-03-01',
        '2026-01-01',
        '2026-11-23',
        '2027-03-01',
        '2096-02-29',
        '2100-03-01',
      ),
      offsetMs: fc.integer({ min: -70_000, max: 70_000 }),
    })
    .map(({ at, offsetMs }) => Date.parse(`${at}T00:00:00Z`) + offsetMs),
  fc.integer({ min: Date.UTC(2001, 0), max: Date.UTC(2096, 0) }),
);

/** Random histories of one tenant: many limits, subjects and windows, duplicates, reorderings, expiries, clock jumps. */
export const histories: fc.Arbitrary<History> = fc.record({
  startMs: start,
  steps: fc.array(
    fc.record({
      advanceMs: advance,
      sweep: fc.constantFrom(0, 1, 2, 100),
      settles: fc.array(settle, { maxLength: 3 }),
      reserves: fc.array(reserve, { maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 50, size: 'max' },
  ),
});

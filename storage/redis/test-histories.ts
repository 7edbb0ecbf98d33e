import fc from 'fast-check';
import type { Reserve, Settle } from '../../policy/limits/specification.ts';
import type { Count } from '../../policy/limits/specification-count.ts';
import type { CounterWindow, ReservationItem } from '../schema/reservation.ts';

/** One step of a history: the clock moves, then one call of the script is made. */
export interface Step {
  advanceMs: number;
  caller: string;
  /** Whether all is lost first, and restored from what the specification knows. */
  restores: boolean;
  sweep: number;
  settles: readonly (Settle | Count)[];
  reserves: readonly Reserve[];
}

export interface History {
  startMs: number;
  /** The counters that its items are on. */
  counters: readonly Pick<ReservationItem, 'key' | 'window'>[];
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
  ...[61_007, minuteMs, 7 * minuteMs, 60 * minuteMs, dayMs, 30 * dayMs].map(
    (windowMs): CounterWindow => ({ align: 'rolling', windowMs }),
  ),
];

type Counter = Pick<ReservationItem, 'key' | 'window'>;

/** One key stands under several windows, as after a limit was changed. */
const subjects = ['a', 'b', '~0123', 'k:ü\u0000 \r\n$1'];
const allCounters: readonly Counter[] = windows.flatMap((window, number) =>
  subjects
    .slice(0, 1 + (number % subjects.length))
    .map((subject) => ({ key: `c:limit-${number % 7}:${subject}`, window })),
);

const allRunIds = ['1', '2', '3', '4', '5', '6', '', '\u0000', 'a b', '{x}', '-inf', '"\r\n*3', 'é€😀', '😀'];

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

/** At the default percentage, or anywhere: a mark that moves as an override moves it. */
const near = fc.oneof(fc.constant(null), amount, fc.bigInt(0n, 3n));

const expiry = fc.oneof(
  fc.integer({ min: 1, max: 5_000 }),
  fc.integer({ min: 1, max: 2 * dayMs }),
  fc.integer({ min: 1, max: 60 * dayMs }),
);

function reserves(runId: fc.Arbitrary<string>, counter: fc.Arbitrary<Counter>): fc.Arbitrary<Reserve[]> {
  const item = fc.record({ counter, amount, ceiling, near }).map(({ counter, near, ...rest }): ReservationItem => {
    return { limitId: 'x', ...counter, ...rest, near: near ?? (rest.ceiling * 8n) / 10n };
  });
  const items = fc.uniqueArray(item, { minLength: 1, maxLength: 5, selector: ({ key }) => key });
  return fc.array(fc.record({ runId, expiresInMs: expiry, items }), { maxLength: 4 });
}

/** Some of them final, and some of runs that are counted at an instant near the history's. */
function settles(
  runId: fc.Arbitrary<string>,
  counter: fc.Arbitrary<Counter>,
  startMs: number,
): fc.Arbitrary<(Settle | Count)[]> {
  const items = fc.array(fc.record({ key: counter.map(({ key }) => key), amount }), { maxLength: 8 });
  const final = fc.record({ runId, items, final: fc.constant<true>(true) });
  const atMs = fc
    .oneof(fc.integer({ min: -3_000, max: 70_000 }), fc.integer({ min: -dayMs, max: 40 * dayMs }))
    .map((ms) => startMs + ms);
  const counted = fc
    .uniqueArray(fc.record({ counter, amount, sinceMs: fc.option(atMs) }), {
      maxLength: 5,
      selector: ({ counter: { key } }) => key,
    })
    .map((all) =>
      all.map(({ counter: one, amount, sinceMs }) => ({
        ...one,
        amount,
        ...(sinceMs === null ? {} : { atMs: sinceMs }),
      })),
    );
  const ending: fc.Arbitrary<Settle | Count> = fc.oneof(
    { arbitrary: fc.record({ runId, items }), weight: 6 },
    { arbitrary: final, weight: 1 },
    { arbitrary: fc.record({ runId, atMs, items: counted }), weight: 1 },
  );
  return fc.array(ending, { maxLength: 3 });
}

/** Mostly small steps, some over the ends of buckets, windows and months, a few of them backwards. */
const advance = fc.oneof(
  { arbitrary: fc.constant(0), weight: 3 },
  { arbitrary: fc.integer({ min: 1, max: 3_000 }), weight: 4 },
  { arbitrary: fc.integer({ min: 50_000, max: 62_000 }), weight: 2 },
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

/**
 * Random histories of one tenant: several limits, subjects and windows, duplicates, reorderings, expiries, clock jumps.
 * Each has few counters and few run ids, so that runs meet on counters and come again, and out of order.
 */
export const histories: fc.Arbitrary<History> = fc
  .record({
    counters: fc.uniqueArray(fc.constantFrom(...allCounters), { minLength: 1, maxLength: 8 }),
    runIds: fc.uniqueArray(fc.constantFrom(...allRunIds), { minLength: 1, maxLength: 8 }),
    startMs: start,
  })
  .chain(({ counters, runIds, startMs }) => {
    const counter = fc.constantFrom(...counters);
    const runId = fc.constantFrom(...runIds);
    const step = fc.record({
      advanceMs: advance,
      caller: fc.constantFrom('proxy:1', 'proxy:2', 'shipper:1'),
      restores: fc.integer({ min: 0, max: 19 }).map((one) => one === 0),
      sweep: fc.constantFrom(0, 1, 2, 100),
      settles: settles(runId, counter, startMs),
      reserves: reserves(runId, counter),
    });
    return fc.record({
      startMs: fc.constant(startMs),
      counters: fc.constant(counters),
      steps: fc.array(step, { minLength: 1, maxLength: 50, size: 'max' }),
    });
  });

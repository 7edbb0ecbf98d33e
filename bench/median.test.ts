import fc from 'fast-check';
import t from 'tap';
import { median, percentile, round } from './median.ts';

t.test('the median of an odd count is the middle value, of an even count the mean of the middle two', async (t) => {
  t.equal(median([9, 1, 5]), 5);
  t.equal(median([9, 1, 5, 7]), 6);
  t.equal(median([]), null);
});

t.test('a percentile is one of the values, and at least that share of the values is not above it', async () => {
  const values = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 100 }), (list, percent) => {
      const sorted = [...list].sort((a, b) => a - b);
      const found = percentile(sorted, percent);
      const below = sorted.filter((value) => value <= found).length;
      return sorted.includes(found) && below * 100 >= percent * sorted.length;
    }),
  );
});

t.test('a rounded figure keeps three significant digits below 100 and whole numbers above', async (t) => {
  t.equal(round(0.123456), 0.123);
  t.equal(round(99.94), 99.9);
  t.equal(round(12345.6), 12346);
});

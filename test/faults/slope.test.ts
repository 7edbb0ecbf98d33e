import t from 'tap';
import { averageBlocks, fitSlope } from './slope.ts';

t.test('a line is found with its slope, and noise around it with its standard error', async (t) => {
  const line = Array.from({ length: 50 }, (_, x) => ({ x, y: 3 * x + 7 }));
  t.match(fitSlope(line), { perUnit: 3, mean: 80.5, points: 50 });
  t.ok(fitSlope(line).error < 1e-9);
  // The known error of this small table: slope 0.6, residuals -0.2 0.7 -0.9 -0.5 0.9 ... by hand.
  const table = [1, 2, 3, 4, 5].map((x, at) => ({ x, y: [2, 4, 5, 4, 5][at] ?? 0 }));
  const { perUnit, error } = fitSlope(table);
  t.ok(Math.abs(perUnit - 0.6) < 1e-9);
  t.ok(Math.abs(error - Math.sqrt(2.4 / 3 / 10)) < 1e-9);
});

t.test('blocks are averaged, so that a saw-tooth is flat', async (t) => {
  const teeth = Array.from({ length: 100 }, (_, x) => ({ x, y: x % 10 }));
  const blocks = averageBlocks(teeth, 10);
  t.equal(blocks.length, 10);
  t.equal(fitSlope(blocks).perUnit, 0);
});

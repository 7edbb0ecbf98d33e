import fc from 'fast-check';
import t from 'tap';
import { StreamWindow, verdictEvery, windowLength } from './stream-window.ts';

/** Every verdict on a text that comes in these pieces: its place and what it looks at. */
function verdicts(pieces: readonly string[]): { at: number; window: string }[] {
  const stream = new StreamWindow();
  return pieces.flatMap((piece) => stream.feed(piece).map((at) => ({ at, window: stream.window(at) })));
}

t.test('however a text is cut, verdicts fall at the same places on the same windows', async (t) => {
  const piece = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.nat(9000).map((length) => 'x😀'.repeat(length / 3)),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const text = pieces.join('');
      const expected = [];
      for (let at = verdictEvery; at <= text.length; at += verdictEvery) {
        expected.push({ at, window: text.slice(Math.max(0, at - windowLength), at) });
      }
      t.strictSame(verdicts(pieces), expected);
      const stream = new StreamWindow();
      for (const one of pieces) stream.feed(one);
      return stream.total() === text.length && stream.window() === text.slice(-windowLength);
    }),
  );
});

t.test('an empty stream has no verdict and an empty window', async (t) => {
  const stream = new StreamWindow();
  t.strictSame([stream.feed(''), stream.window(), stream.total()], [[], '', 0]);
});

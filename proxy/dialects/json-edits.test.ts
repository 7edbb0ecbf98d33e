import fc from 'fast-check';
import t from 'tap';
import { applyEdits, type TextEdit } from './json-edits.ts';

const apply = (text: string, edits: readonly TextEdit[]) =>
  Buffer.from(applyEdits(Buffer.from(text), edits)).toString();

t.test(
  'edits at one place: insertions first, in the order given, and what lies within a removal goes with it',
  async (t) => {
    const removal = { start: 1, end: 4, text: '' };
    const insert = (start: number, text: string) => ({ start, end: start, text });
    t.equal(apply('abcde', [removal, insert(1, 'x'), insert(1, 'y')]), 'axye');
    t.equal(apply('abcde', [insert(4, 'x'), removal]), 'axe');
    t.equal(apply('abcde', [{ start: 1, end: 2, text: 'no' }, insert(2, 'no'), removal]), 'ae');
    t.equal(
      apply('abcde', [
        { start: 1, end: 2, text: 'first' },
        { start: 1, end: 2, text: 'no' },
      ]),
      'afirstcde',
    );
    const bytes = Buffer.from('abc');
    t.equal(applyEdits(bytes, []), bytes);
  },
);

t.test('edits that lie apart give the same text in any order', async (t) => {
  const piece = fc.record({
    kept: fc.string({ unit: 'binary', maxLength: 4 }),
    old: fc.string({ minLength: 1 }),
    text: fc.string(),
  });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), fc.infiniteStream(fc.nat(99)), (pieces, order) => {
      let at = 0;
      const edits = pieces.map(({ kept, old, text }) => {
        const start = at + Buffer.byteLength(kept);
        at = start + Buffer.byteLength(old);
        return { start, end: at, text, rank: order.next().value ?? 0 };
      });
      const before = pieces.map(({ kept, old }) => kept + old).join('');
      const after = pieces.map(({ kept, text }) => kept + text).join('');
      t.equal(
        apply(
          before,
          edits.toSorted((a, b) => a.rank - b.rank),
        ),
        after,
      );
    }),
  );
});

import fc from 'fast-check';
import t from 'tap';
import { neutraliseTerminal } from './terminal.ts';

t.test('escape sequences, carriage returns and C1 controls are shown, not obeyed', async (t) => {
  t.equal(neutraliseTerminal('\u001b[2Jhi\u001b]0;owned\u0007'), '\\x1b[2Jhi\\x1b]0;owned\\x07');
  t.equal(neutraliseTerminal('a\rb\nc\td\u009b31m'), 'a\\rb\\nc\\td\\x9b31m');
});

t.test('text cannot be turned around by bidirectional marks', async (t) => {
  t.equal(neutraliseTerminal('a\u202eb\u2066c'), 'a\\u{202e}b\\u{2066}c');
});

t.test('ordinary text in any script stays as it is', async (t) => {
  for (const text of ['gpt-4o mini', 'Grüße, 你好', '👩‍💻'.replace('\u200d', ''), "it's 100 % = fine"])
    t.equal(neutraliseTerminal(text), text);
});

t.test('nothing printed can hold a control character', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const safe = neutraliseTerminal(text);
      for (const character of safe) {
        const point = character.codePointAt(0) ?? 0;
        if (point < 32 || (point >= 127 && point < 160)) return false;
      }
      return true;
    }),
  );
});

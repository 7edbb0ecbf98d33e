import fc from 'fast-check';
import t from 'tap';
import { hasDuplicateKeys } from './duplicate-keys.ts';

const judge = (text: string) => hasDuplicateKeys(text, JSON.parse(text));

t.test('a key that stands twice in one object is found at any depth and in any spelling', async (t) => {
  for (const text of [
    '{"a":1,"a":2}',
    '{"a":1, "\\u0061" : 2}',
    '[{"x":[{"b":1,"c":2,"b":3}]}]',
    '{"__proto__":1,"__proto__":2}',
    '{"":1,"":2}',
    '{"a\\"b":1,"a\\"b":2}',
  ]) {
    t.ok(judge(text), text);
  }
});

t.test('no text without one is accused: keys may repeat in other objects and stand inside strings', async (t) => {
  t.notOk(judge('{"a":{"a":1},"b":[{"a":1},{"a":2}],"c":"{\\"a\\":1,\\"a\\":2}","d":"\\\\"}'));
  t.notOk(judge('{"__proto__":{"constructor":1}}'));
  t.notOk(judge(`${'['.repeat(50_000)}${']'.repeat(50_000)}`));
  fc.assert(fc.property(fc.json({ maxDepth: 6 }), (text) => !judge(text)));
});

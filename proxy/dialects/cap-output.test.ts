import fc from 'fast-check';
import t from 'tap';
import { anthropicMessages } from './anthropic-messages/index.ts';
import type { Dialect } from './dialect.ts';
import { openaiChat } from './openai-chat/index.ts';

function cap(dialect: Dialect, text: string, tokens: number): string | null {
  const bytes = Buffer.from(text);
  const plan = { capOutputTokens: tokens };
  const changed = dialect.change?.({ bytes, body: JSON.parse(text), route: { method: 'POST', path: '/' }, plan });
  return changed === undefined || changed.bytes === bytes ? null : Buffer.from(changed.bytes).toString();
}

t.test('a cap is inserted where there is none, under the name that the model takes', async (t) => {
  const chat = (model: string) => cap(openaiChat, `{"model":"${model}"}`, 50);
  t.equal(chat('gpt-4o'), '{"max_tokens":50,"model":"gpt-4o"}');
  t.equal(chat('mistral-large-latest'), '{"max_tokens":50,"model":"mistral-large-latest"}');
  for (const model of ['o3-mini', 'gpt-5', 'openai/gpt-5.1', 'openai/o1']) {
    t.equal(chat(model), `{"max_completion_tokens":50,"model":"${model}"}`);
  }
  t.equal(cap(openaiChat, '{"reasoning_effort":"low"}', 5), '{"max_completion_tokens":5,"reasoning_effort":"low"}');
  t.equal(cap(openaiChat, '{}', 5), '{"max_tokens":5}');
  t.equal(cap(anthropicMessages, ' {"model":"m"}', 5), ' {"max_tokens":5,"model":"m"}');
  t.equal(cap(openaiChat, '[]', 5), null);
});

t.test('larger caps, and values that are no cap, are replaced; smaller ones stay', async (t) => {
  t.equal(cap(openaiChat, '{"max_tokens" : 100 , "n":2}', 50), '{"max_tokens" : 50 , "n":2}');
  t.equal(cap(openaiChat, '{"max_tokens":null}', 50), '{"max_tokens":50}');
  t.equal(cap(openaiChat, '{"max_completion_tokens":0}', 50), '{"max_completion_tokens":50}');
  t.equal(
    cap(openaiChat, '{"max_tokens":99,"max_completion_tokens":51}', 50),
    '{"max_tokens":50,"max_completion_tokens":50}',
  );
  t.equal(
    cap(openaiChat, '{"max_tokens":40,"max_completion_tokens":51}', 50),
    '{"max_tokens":40,"max_completion_tokens":50}',
  );
  for (const none of ['"99999"', '0', '-1', '1.5', 'true']) {
    const body = `{"max_tokens":${none},"max_completion_tokens":1}`;
    t.equal(
      cap(openaiChat, body, 50),
      '{"max_tokens":50,"max_completion_tokens":1}',
      'what a lenient server reads after all',
    );
  }
  t.equal(
    cap(openaiChat, '{"max_tokens":"99","max_completion_tokens":null}', 50),
    '{"max_tokens":50,"max_completion_tokens":50}',
  );
  t.equal(cap(openaiChat, '{"max_tokens":50}', 50), null);
  t.equal(cap(openaiChat, '{"max_completion_tokens":7}', 50), null);
  t.equal(cap(anthropicMessages, '{"max_tokens":7}', 50), null);
  t.equal(cap(anthropicMessages, '{"max_tok\\u0065ns":70}', 50), '{"max_tok\\u0065ns":50}');
  t.equal(cap(anthropicMessages, '{"max_tokens":[{"a":"]}"},2]}', 5), '{"max_tokens":5}');
});

t.test('any body parses to the same with no cap above the one asked for, and is then left alone', async (t) => {
  const value = fc.oneof(fc.nat(200), fc.jsonValue(), fc.constant(null));
  const caps = fc.record({ max_tokens: value, max_completion_tokens: value }, { requiredKeys: [] });
  const body = fc.tuple(fc.dictionary(fc.string(), fc.jsonValue()), caps, fc.integer({ min: 0, max: 2 }));
  fc.assert(
    fc.property(body, fc.integer({ min: 1, max: 200 }), ([members, stated, indent], tokens) => {
      const text = JSON.stringify({ ...members, ...stated }, null, indent);
      const before = JSON.parse(text);
      const capped = cap(openaiChat, text, tokens);
      const after = JSON.parse(capped ?? text);
      const { max_tokens: older, max_completion_tokens: newer, ...rest } = after;
      const { max_tokens: _older, max_completion_tokens: _newer, ...kept } = before;
      t.strictSame(rest, kept);
      const real = [older, newer].filter((one) => Number.isSafeInteger(one) && one > 0);
      t.ok(real.length > 0 && real.every((one) => one <= tokens), text);
      return cap(openaiChat, JSON.stringify(after), tokens) === null;
    }),
    { numRuns: 500 },
  );
});

import t from 'tap';
import { openaiChat } from './index.ts';
import { readChatUsage } from './usage.ts';

function usage(raw: unknown) {
  const { usage, reported, flaw } = readChatUsage(raw);
  const { input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens } = usage;
  return [input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens, reported, flaw];
}

t.test('usage is normalised: input with cache, output with reasoning', async (t) => {
  const raw = {
    prompt_tokens: 100,
    completion_tokens: 50,
    total_tokens: 150,
    prompt_tokens_details: { cached_tokens: 60, cache_write_tokens: 7 },
    completion_tokens_details: { reasoning_tokens: 20 },
  };
  t.strictSame(usage(raw), [100, 50, 60, 7, 20, true, null]);
  t.strictSame(usage({ prompt_tokens: 3, completion_tokens: 4 }), [3, 4, null, null, null, true, null]);
});

t.test('null details say nothing', async (t) => {
  const raw = { prompt_tokens: 3, completion_tokens: 4, prompt_tokens_details: null, completion_tokens_details: null };
  t.strictSame(usage(raw), [3, 4, null, null, null, true, null]);
});

t.test('reasoning that a provider leaves out of completion_tokens is output all the same', async (t) => {
  const raw = {
    prompt_tokens: 32,
    completion_tokens: 9,
    total_tokens: 135,
    completion_tokens_details: { reasoning_tokens: 94 },
  };
  t.strictSame(usage(raw), [32, 103, null, null, 94, true, null]);
  t.strictSame(usage({ prompt_tokens: 35, completion_tokens: 12, total_tokens: 109 }).slice(0, 2), [35, 74]);
});

t.test('a cache figure beside the details is read where they are missing', async (t) => {
  t.equal(usage({ prompt_tokens: 9, completion_tokens: 1, prompt_cache_hit_tokens: 8 })[2], 8);
});

t.test('missing, zero, negative and contradicting figures are flagged', async (t) => {
  const silent = [null, null, null, null, null, false, null];
  for (const raw of [undefined, null, 'x', 7, [], {}]) t.strictSame(usage(raw), silent);
  t.strictSame(usage({ prompt_tokens: 0, completion_tokens: 0 }).slice(5), [true, 'zero']);
  t.strictSame(usage({ prompt_tokens: -5, completion_tokens: 4 }), [null, 4, null, null, null, true, 'invalid']);
  t.strictSame(usage({ prompt_tokens: -5, completion_tokens: -4 }).slice(5), [false, 'invalid']);
  t.strictSame(usage({ prompt_tokens: 1.5, completion_tokens: '4' }).slice(5), [false, 'invalid']);
  t.strictSame(usage({ prompt_tokens: 5 }).slice(5), [true, 'partial']);
  const cached = { prompt_tokens: 5, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 6 } };
  t.equal(usage(cached)[6], 'inconsistent');
});

t.test('audio and image tokens are read where there are any, and flagged where they exceed their whole', async (t) => {
  const raw = {
    prompt_tokens: 100,
    completion_tokens: 50,
    prompt_tokens_details: { audio_tokens: 44, cached_tokens: 30, cached_tokens_details: { audio_tokens: 10 } },
    completion_tokens_details: { audio_tokens: 20, image_tokens: 0, reasoning_tokens: 3 },
  };
  t.strictSame(readChatUsage(raw).usage, {
    input_tokens: 100,
    output_tokens: 50,
    cached_input_tokens: 30,
    cache_write_tokens: null,
    reasoning_tokens: 3,
    input_audio_tokens: 44,
    cached_audio_tokens: 10,
    output_audio_tokens: 20,
  });
  t.equal(readChatUsage(raw).flaw, null);
  t.equal(
    readChatUsage({ ...raw, prompt_tokens: 40, prompt_tokens_details: { audio_tokens: 44 } }).flaw,
    'inconsistent',
  );
  t.equal(readChatUsage({ ...raw, completion_tokens: 22 }).flaw, 'inconsistent');
  t.equal(readChatUsage({ ...raw, prompt_tokens_details: { audio_tokens: -1 } }).flaw, 'invalid');
});

t.test(
  'reports of a stream are never added up: the largest stand, and a fall or a negative figure is flagged',
  async (t) => {
    const read = (...reports: readonly (readonly [number, number])[]) => {
      const reader = openaiChat.openStream('text/event-stream');
      for (const [prompt_tokens, completion_tokens] of reports) {
        const chunk = { choices: [], usage: { prompt_tokens, completion_tokens } };
        reader.push(Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`));
      }
      const { usage, usageFlaw } = reader.end();
      return [usage.input_tokens, usage.output_tokens, usageFlaw];
    };
    t.strictSame(read([9, 1], [9, 2], [9, 3]), [9, 3, null], 'cumulative');
    t.strictSame(read([9, 3], [9, 3], [9, 3]), [9, 3, null], 'repeated');
    t.strictSame(read([0, 0], [9, 3]), [9, 3, null], 'zero while nothing was known yet');
    t.strictSame(read([9, 3], [0, 0]), [9, 3, 'inconsistent'], 'zero at the end');
    t.strictSame(read([9, 3], [9, 2]), [9, 3, 'inconsistent'], 'falling');
    t.strictSame(read([9, 3], [9, -2]), [9, 3, 'invalid'], 'negative at the end');
    t.strictSame(read([-9, 1], [9, 3]), [9, 3, 'invalid'], 'negative at first');
    t.strictSame(read([0, 0]), [0, 0, 'zero']);
  },
);

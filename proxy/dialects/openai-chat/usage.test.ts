import t from 'tap';
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

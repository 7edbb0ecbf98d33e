import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import t, { type Test } from 'tap';
import type { LedgerEntry, LedgerTotals } from './ledger.ts';
import { computeCharge } from './prices.ts';
import { type Simulator, startSimulator } from './server.ts';

const weather = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city', 'days'],
};

async function start(t: Test): Promise<Simulator> {
  const onFailure = (error: unknown) => t.fail(String(error));
  const simulator = await startSimulator({ host: '127.0.0.1', port: 0, speed: 'instant', ledgerFile: null, onFailure });
  t.teardown(() => simulator.close(0));
  return simulator;
}

async function readLedger(simulator: Simulator): Promise<{ entries: LedgerEntry[]; totals: LedgerTotals }> {
  return (await (await fetch(`${simulator.url}/simulator/ledger`)).json()) as {
    entries: LedgerEntry[];
    totals: LedgerTotals;
  };
}

const openaiAt = (simulator: Simulator) => new OpenAI({ apiKey: 'any', baseURL: `${simulator.url}/v1`, maxRetries: 0 });
const anthropicAt = (simulator: Simulator) => new Anthropic({ apiKey: 'any', baseURL: simulator.url, maxRetries: 0 });

t.test(
  'the official OpenAI SDK: chat, stream, tools, structured output, embeddings, models; the ledger agrees',
  async (t) => {
    const simulator = await start(t);
    const openai = openaiAt(simulator);
    const messages = [{ role: 'user' as const, content: 'What is this?' }];

    const whole = await openai.chat.completions.create({ model: 'sim-small', messages });
    t.match(whole.choices[0]?.message.content, /built-in simulator; your message had 3 words/);
    t.equal(whole.choices[0]?.finish_reason, 'stop');

    const stream = await openai.chat.completions.create({
      model: 'sim-small',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    t.equal(text, whole.choices[0]?.message.content, 'a stream says the same');
    t.strictSame(usage, whole.usage, 'and counts the same');

    const tools = [{ type: 'function' as const, function: { name: 'get_weather', parameters: weather } }];
    const call = await openai.chat.completions.create({
      model: 'sim-small',
      messages: [{ role: 'user', content: 'Please call get_weather' }],
      tools,
    });
    const toolCall = call.choices[0]?.message.tool_calls?.[0];
    t.equal(call.choices[0]?.finish_reason, 'tool_calls');
    t.match(toolCall, { type: 'function', function: { name: 'get_weather' } });
    const args = toolCall?.type === 'function' ? toolCall.function.arguments : '';
    t.strictSame(JSON.parse(args), { city: 'text', days: 1 });
    const runner = openai.chat.completions.stream({
      model: 'sim-small',
      messages: [{ role: 'user', content: 'Please call get_weather' }],
      tools,
    });
    t.match((await runner.finalChatCompletion()).choices[0]?.message.tool_calls?.[0], {
      function: { arguments: args },
    });
    const after = await openai.chat.completions.create({
      model: 'sim-small',
      messages: [
        ...messages,
        { role: 'assistant', content: null, tool_calls: [] },
        { role: 'tool', tool_call_id: 'c', content: 'sun' },
      ],
      tools,
    });
    t.match(after.choices[0]?.message.content, /tool has answered/);

    const shaped = await openai.chat.completions.create({
      model: 'sim-small',
      messages,
      response_format: { type: 'json_schema', json_schema: { name: 'w', schema: weather } },
    });
    t.strictSame(JSON.parse(shaped.choices[0]?.message.content ?? ''), { city: 'text', days: 1 });

    const embedded = await openai.embeddings.create({ model: 'sim-small', input: ['a', 'b'], dimensions: 8 });
    t.equal(embedded.data[1]?.embedding.length, 8);
    t.strictSame(
      (await openai.models.list()).data.map(({ id }) => id),
      ['sim-small', 'sim-large'],
    );
    t.equal((await openai.models.retrieve('sim-large')).id, 'sim-large');

    const { entries, totals } = await readLedger(simulator);
    const reported = [whole.usage, usage, call.usage, null, after.usage, shaped.usage];
    for (const [index, one] of reported.entries()) {
      if (one == null) continue;
      t.match(entries[index], {
        input_tokens: one.prompt_tokens,
        produced_output_tokens: one.completion_tokens,
        finished: true,
      });
      const tokens = { input: one.prompt_tokens, cachedInput: 0, output: one.completion_tokens };
      t.equal(entries[index]?.cost_nano_usd, computeCharge('sim-small', tokens).toString());
    }
    t.equal(entries[0]?.id, whole.id, 'an entry is found by the id of its answer');
    t.equal(entries[6]?.input_tokens, embedded.usage.prompt_tokens);
    t.equal(entries.length, 7);
    t.equal(
      totals.cost_nano_usd,
      entries.reduce((sum, { cost_nano_usd }) => sum + BigInt(cost_nano_usd), 0n).toString(),
    );
  },
);

t.test('the official Anthropic SDK: messages, stream, tools, count_tokens, models; the ledger agrees', async (t) => {
  const simulator = await start(t);
  const anthropic = anthropicAt(simulator);
  const messages = [{ role: 'user' as const, content: 'What is this?' }];
  const base = { model: 'claude-haiku-4-5', max_tokens: 500 };

  const whole = await anthropic.messages.create({ ...base, system: 'Be brief.', messages });
  t.match(whole.content[0], { type: 'text', text: /built-in simulator/ });
  t.equal(whole.stop_reason, 'end_turn');

  const streamed = await anthropic.messages.stream({ ...base, system: 'Be brief.', messages }).finalMessage();
  t.strictSame(streamed.content, whole.content);
  t.strictSame(streamed.usage, whole.usage);

  const tools = [{ name: 'get_weather', input_schema: { ...weather, type: 'object' as const } }];
  const asked = { ...base, messages: [{ role: 'user' as const, content: 'call get_weather' }], tools };
  const call = await anthropic.messages.create(asked);
  t.equal(call.stop_reason, 'tool_use');
  t.match(call.content[0], { type: 'tool_use', name: 'get_weather', input: { city: 'text', days: 1 } });
  const streamedCall = await anthropic.messages.stream(asked).finalMessage();
  t.match(streamedCall.content[0], { type: 'tool_use', name: 'get_weather', input: { city: 'text', days: 1 } });

  const short = await anthropic.messages.create({ ...base, max_tokens: 3, messages });
  t.equal(short.stop_reason, 'max_tokens');
  t.equal(short.usage.output_tokens, 3);
  const counted = await anthropic.messages.countTokens({ model: 'claude-haiku-4-5', system: 'Be brief.', messages });
  t.equal(counted.input_tokens, whole.usage.input_tokens);
  t.equal((await anthropic.models.list()).data[0]?.id, 'sim-small');

  const { entries } = await readLedger(simulator);
  for (const [index, { usage, id }] of [whole, streamed, call, streamedCall, short].entries()) {
    t.match(entries[index], { id, input_tokens: usage.input_tokens, produced_output_tokens: usage.output_tokens });
  }
  t.equal(entries.length, 5, 'counting and listing are free');
});

t.test('asked-for errors raise the own classes of the SDKs, with Retry-After where waiting helps', async (t) => {
  const simulator = await start(t);
  const classes: readonly [number, string][] = [
    [400, 'BadRequestError'],
    [401, 'AuthenticationError'],
    [429, 'RateLimitError'],
    [500, 'InternalServerError'],
    [503, 'InternalServerError'],
    [529, 'InternalServerError'],
  ];
  const messages = [{ role: 'user' as const, content: 'x' }];
  for (const [status, name] of classes) {
    const model = `sim-small+fault=status:${status}`;
    const asked = openaiAt(simulator).chat.completions.create({ model, messages });
    const error = await asked.then(
      () => null,
      (reason: unknown) => reason,
    );
    t.ok(error instanceof (Reflect.get(OpenAI, name) as typeof OpenAI.APIError), `openai ${status} is ${name}`);
    const headers = { 'x-simulator-fault': `status:${status}` };
    const told = anthropicAt(simulator).messages.create({ model: 'm', max_tokens: 5, messages }, { headers });
    const failure = await told.then(
      () => null,
      (reason: unknown) => reason,
    );
    t.ok(
      failure instanceof (Reflect.get(Anthropic, name) as typeof Anthropic.APIError),
      `anthropic ${status} is ${name}`,
    );
  }
  const limited = await fetch(`${simulator.url}/v1/chat/completions`, {
    method: 'POST',
    body: '{"model":"m","messages":[]}',
    headers: { 'x-simulator-fault': 'status:429' },
  });
  t.equal(limited.headers.get('retry-after'), '1');
  t.equal((await readLedger(simulator)).entries.length, 0, 'an error costs nothing');
});

t.test('a repeated prompt reads from the cache of sim-large at half the price', async (t) => {
  const simulator = await start(t);
  const openai = openaiAt(simulator);
  const ask = { model: 'sim-large', messages: [{ role: 'user' as const, content: 'word '.repeat(400) }] };
  const first = await openai.chat.completions.create(ask);
  const second = await openai.chat.completions.create(ask);
  t.equal(first.usage?.prompt_tokens_details?.cached_tokens, 0);
  t.equal(second.usage?.prompt_tokens_details?.cached_tokens, 496);
  t.equal(second.usage?.prompt_tokens, first.usage?.prompt_tokens);
  const { entries } = await readLedger(simulator);
  const saved = BigInt(entries[0]?.cost_nano_usd ?? 0) - BigInt(entries[1]?.cost_nano_usd ?? 0);
  t.equal(saved, (496n * 1_250_000_000n) / 1_000_000n);
  const anthropic = await anthropicAt(simulator).messages.create({ ...ask, max_tokens: 5 });
  t.equal(anthropic.usage.cache_read_input_tokens, 496, 'Anthropic counts it beside the input');
  t.equal(anthropic.usage.input_tokens, 4);
});

t.test('requests are kept byte for byte, and the office is neither kept nor charged', async (t) => {
  const simulator = await start(t);
  const body = ' {"model" : "sim-small","messages":[ ],"unknown":{"x":1e400}}\n';
  await fetch(`${simulator.url}/openai/v1/chat/completions?api-version=1`, {
    method: 'POST',
    body,
    headers: { 'X-Odd-Header': 'Value', authorization: 'Bearer anything' },
  });
  const seen = (await (await fetch(`${simulator.url}/simulator/requests?last=5`)).json()) as {
    count: number;
    requests: { method: string; url: string; headers: [string, string][]; body_base64: string }[];
  };
  t.equal(seen.count, 1);
  t.match(seen.requests[0], { method: 'POST', url: '/openai/v1/chat/completions?api-version=1' });
  t.equal(Buffer.from(seen.requests[0]?.body_base64 ?? '', 'base64').toString(), body);
  t.ok(seen.requests[0]?.headers.some(([name, value]) => name.toLowerCase() === 'x-odd-header' && value === 'Value'));
  await fetch(`${simulator.url}/simulator/ledger/reset`, { method: 'POST' });
  t.equal((await readLedger(simulator)).entries.length, 0);
  t.equal((await readLedger(simulator)).totals.cost_nano_usd, '0');
});

t.test('what cannot be answered gets a native error', async (t) => {
  const simulator = await start(t);
  const post = (path: string, body: string) => fetch(`${simulator.url}${path}`, { method: 'POST', body });
  t.equal((await post('/v1/chat/completions', '{')).status, 400);
  t.equal((await post('/v1/chat/completions', '{"model":"m"}')).status, 400);
  const missing = await post('/v1/messages', '{"model":"m","messages":[]}');
  t.match(await missing.json(), { type: 'error', error: { type: 'invalid_request_error', message: /max_tokens/ } });
  t.equal((await post('/v1/nothing', '{}')).status, 404);
  t.equal((await fetch(`${simulator.url}/v1/models/none`)).status, 404);
  const odd = await post('/v1/chat/completions', '{"model":"m+fault=oops","messages":[]}');
  t.match(await odd.json(), { error: { message: /Unknown fault 'oops'/ } });
});

t.test('several answers are counted and charged together', async (t) => {
  const simulator = await start(t);
  const messages = [{ role: 'user' as const, content: 'say four by four' }];
  const answer = await openaiAt(simulator).chat.completions.create({ model: 'sim-small', messages, n: 3 });
  t.strictSame(
    answer.choices.map(({ message }) => message.content),
    Array(3).fill('four by four'),
  );
  t.equal(answer.usage?.completion_tokens, 9);
  const stream = await openaiAt(simulator).chat.completions.create({
    model: 'sim-small',
    messages,
    n: 3,
    stream: true,
  });
  const texts = ['', '', ''];
  for await (const chunk of stream) {
    for (const { index, delta } of chunk.choices) texts[index] += delta.content ?? '';
  }
  t.strictSame(texts, Array(3).fill('four by four'));
  t.equal((await readLedger(simulator)).entries[1]?.produced_output_tokens, 9);
});

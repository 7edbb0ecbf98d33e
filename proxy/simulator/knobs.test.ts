import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { LedgerEntry, LedgerTotals } from './ledger.ts';
import { computeCharge } from './prices.ts';
import { startSimulator } from './server.ts';

interface Account {
  entries: LedgerEntry[];
  totals: LedgerTotals;
}

async function start(t: Test): Promise<string> {
  const onFailure = (error: unknown) => t.fail(String(error));
  const simulator = await startSimulator({ host: '127.0.0.1', port: 0, speed: 'instant', ledgerFile: null, onFailure });
  t.teardown(() => simulator.close(0));
  return simulator.url;
}

const messages = [{ role: 'user', content: 'hi' }];

async function post(url: string, fault: string, more: object = {}): Promise<Response> {
  const path = 'anthropic' in more ? '/v1/messages' : '/v1/chat/completions';
  const { anthropic: _, ...fields } = { anthropic: null, ...more };
  const body = JSON.stringify({ model: 'sim-small', messages, stream_options: { include_usage: true }, ...fields });
  return fetch(`${url}${path}`, { method: 'POST', headers: { 'x-simulator-fault': fault }, body });
}

async function readAccount(address: string): Promise<Account> {
  return (await (await fetch(address)).json()) as Account;
}

async function lastEntry(url: string): Promise<LedgerEntry> {
  const entry = (await readAccount(`${url}/simulator/ledger`)).entries.at(-1);
  if (entry === undefined) throw new Error('the ledger is empty');
  return entry;
}

interface Chunk {
  choices?: { delta: { content?: string } }[];
  usage?: Record<string, unknown> | null;
  type?: string;
}

function parseEvents(text: string): Chunk[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)) as Chunk);
}

t.test('an answer is exactly as long as asked, one token an event, unless the request caps it', async (t) => {
  const url = await start(t);
  const texts = async (fault: string, more: object = {}) => {
    const events = parseEvents(await (await post(url, fault, { stream: true, ...more })).text());
    return events.map((event) => event.choices?.[0]?.delta.content ?? '').filter((text) => text !== '').length;
  };
  t.equal(await texts('tokens:37'), 37);
  t.equal(await texts('tokens:20000'), 20_000, 'longer than the model makes by itself');
  t.equal((await lastEntry(url)).produced_output_tokens, 20_000);
  t.equal(await texts('tokens:37', { max_tokens: 5 }), 5);
  const whole = (await (await post(url, 'tokens:37')).json()) as { usage: { completion_tokens: number } };
  t.equal(whole.usage.completion_tokens, 37);
});

t.test('hidden tokens are billed and told, reasoning within the cap and overcap beyond it', async (t) => {
  const url = await start(t);
  const told = async (fault: string, more: object) => {
    const answer = (await (await post(url, fault, more)).json()) as { usage: Record<string, unknown> };
    return answer.usage;
  };
  t.match(await told('tokens:10,reasoning:30', {}), {
    completion_tokens: 40,
    completion_tokens_details: { reasoning_tokens: 30 },
  });
  t.match(await lastEntry(url), { output_tokens: 40, produced_output_tokens: 40, reasoning_tokens: 30 });
  t.match(await told('tokens:10,reasoning:30', { max_tokens: 35 }), { completion_tokens: 35 });
  t.match(
    await told('tokens:10,reasoning:50', { max_tokens: 35 }),
    { completion_tokens: 35 },
    'nothing is left to show',
  );
  t.match(await told('tokens:10,overcap:100', { max_tokens: 5 }), { completion_tokens: 105 });
  const { cost_nano_usd: cost, input_tokens: input } = await lastEntry(url);
  t.equal(cost, computeCharge('sim-small', { input, cachedInput: 0, output: 105 }).toString());
  const message = { anthropic: true, max_tokens: 50 };
  t.match(await told('tokens:10,reasoning:30', message), {
    output_tokens: 40,
    output_tokens_details: { thinking_tokens: 30 },
  });
});

t.test('usage can be wrong in every way, and the ledger stays right', async (t) => {
  const url = await start(t);
  const streamed = async (fault: string, more: object = {}) => {
    const text = await (await post(url, `tokens:4,${fault}`, { stream: true, ...more })).text();
    return parseEvents(text).flatMap((event) => (event.usage == null ? [] : [event.usage]));
  };
  const outputs = async (fault: string) => (await streamed(fault)).map((usage) => usage.completion_tokens);
  t.strictSame(await outputs('nousage'), []);
  t.strictSame(await outputs('usage-negative'), [-4]);
  t.strictSame(await outputs('usage-zero'), [0]);
  t.strictSame(await outputs('usage-partial'), [undefined]);
  t.strictSame(await outputs('usage-cumulative'), [1, 2, 3, 4, 4]);
  t.strictSame(await outputs('usage-repeated'), [4, 4, 4, 4, 4]);
  const message = { anthropic: true, max_tokens: 50 };
  const told = (await streamed('usage-cumulative', message)).map((usage) => usage.output_tokens);
  t.strictSame(told, [1, 2, 3, 4, 4], 'the one in message_start stands in its message');
  const { entries } = await readAccount(`${url}/simulator/ledger`);
  t.equal(entries.length, 7);
  t.ok(entries.every((entry) => entry.produced_output_tokens === 4 && entry.finished));
});

t.test('a reset before the head has billed the whole answer, where it was asked to', async (t) => {
  const url = await start(t);
  await t.rejects(post(url, 'tokens:9,reset-billed'));
  t.match(await lastEntry(url), { produced_output_tokens: 9, finished: false });
  await t.rejects(post(url, 'tokens:9,reset-before-head'));
  t.equal((await readAccount(`${url}/simulator/ledger`)).entries.length, 1, 'and nothing where it was not');
});

t.test('a caller that leaves is billed for what was produced by then, in entries and totals alike', async (t) => {
  const url = await start(t);
  const leave = async (fault: string, stream: boolean, afterBytes: number) => {
    const body = JSON.stringify({ model: 'sim-small', messages, stream });
    const outgoing = request(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'x-simulator-fault': fault } });
    outgoing.on('error', () => undefined);
    outgoing.end(body);
    if (afterBytes === 0) await delay(150);
    else {
      const [response] = (await once(outgoing, 'response')) as [NodeJS.ReadableStream];
      let seen = 0;
      for await (const part of response) {
        seen += part.length;
        if (seen >= afterBytes) break;
      }
    }
    outgoing.destroy();
  };
  await leave('tokens:1000,rate:200', true, 4000);
  await leave('tokens:10,reasoning:1000,rate:200', true, 0);
  await leave('tokens:1000,rate:200', false, 0);
  let account = await readAccount(`${url}/simulator/ledger`);
  const sum = () => account.entries.reduce((total, entry) => total + entry.produced_output_tokens, 0);
  let before = -1;
  while (account.entries.length < 3 || sum() !== before || sum() !== account.totals.produced_output_tokens) {
    before = sum();
    await delay(60);
    account = await readAccount(`${url}/simulator/ledger`);
  }
  for (const entry of account.entries) {
    t.ok(entry.produced_output_tokens > 0 && entry.produced_output_tokens < 300, `${entry.produced_output_tokens}`);
    t.equal(entry.finished, false);
  }
  const cost = account.entries.reduce((total, entry) => total + BigInt(entry.cost_nano_usd), 0n);
  t.equal(account.totals.cost_nano_usd, cost.toString());
});

async function launch(ledger: string) {
  const code = `import { runSimulator } from ${JSON.stringify(new URL('./main.js', import.meta.url).href)}; await runSimulator(process.env);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: {
      HOC_SIMULATOR_LISTEN: '127.0.0.1:0',
      HOC_ADMIN_LISTEN: '127.0.0.1:0',
      HOC_SIMULATOR_SPEED: 'instant',
      HOC_SIMULATOR_LEDGER: ledger,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, listen: (JSON.parse(line) as { listen: { simulator: string; admin: string } }).listen };
}

t.test('the ledger survives kill -9: nothing that left is missing in it, and its admin address tells it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hoc-simulator-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'ledger.jsonl');
  const first = await launch(path);
  t.teardown(() => first.child.kill('SIGKILL'));
  const { simulator } = first.listen;
  await (await post(simulator, 'tokens:7')).text();
  const response = await post(simulator, 'tokens:5000,rate:500', { stream: true });
  let text = '';
  const decoder = new TextDecoder();
  try {
    for await (const part of response.body ?? []) {
      text += decoder.decode(part, { stream: true });
      if (first.child.killed) continue;
      if (text.split('\n\n').length > 60) first.child.kill('SIGKILL');
    }
  } catch {
    // The connection of a killed process breaks.
  }
  const seen = parseEvents(text.slice(0, text.lastIndexOf('\n\n'))).filter(
    (event) => (event.choices?.[0]?.delta.content ?? '') !== '',
  ).length;
  const second = await launch(path);
  t.teardown(() => second.child.kill('SIGKILL'));
  const { entries, totals } = await readAccount(`${second.listen.admin}/ledger`);
  t.equal(entries.length, 2);
  t.match(entries[0], { produced_output_tokens: 7, finished: true });
  const produced = entries[1]?.produced_output_tokens ?? 0;
  t.ok(seen > 50 && produced >= seen && produced < seen + 200, `${produced} produced, ${seen} seen`);
  t.equal(entries[1]?.finished, false);
  const cost = entries.reduce((total, entry) => total + BigInt(entry.cost_nano_usd), 0n);
  t.equal(totals.cost_nano_usd, cost.toString());
});

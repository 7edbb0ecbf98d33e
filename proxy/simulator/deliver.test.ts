import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import type { LedgerEntry } from './ledger.ts';
import { type Simulator, startSimulator } from './server.ts';
import type { Speed } from './timing.ts';

async function start(t: Test, speed: Speed = 'instant'): Promise<Simulator> {
  const onFailure = (error: unknown) => t.fail(String(error));
  const simulator = await startSimulator({ host: '127.0.0.1', port: 0, speed, ledgerFile: null, onFailure });
  t.teardown(() => simulator.close(0));
  return simulator;
}

interface Got {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
  /** Whether the body came to its end. */
  complete: boolean;
  ms: number;
}

const body = (stream: boolean, more: object = {}) =>
  JSON.stringify({
    model: 'sim-small',
    messages: [{ role: 'user', content: 'Say abcdefghijklmnop' }],
    stream,
    ...more,
  });

function open(simulator: Simulator, fault: string, text: string) {
  const outgoing = request(`${simulator.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'x-simulator-fault': fault },
    agent: false,
  });
  outgoing.end(text);
  return outgoing;
}

async function ask(simulator: Simulator, fault: string, text: string): Promise<Got> {
  const startedMs = performance.now();
  const [response] = (await once(open(simulator, fault, text), 'response')) as [IncomingMessage];
  const parts: Buffer[] = [];
  response.on('data', (part: Buffer) => parts.push(part));
  response.on('error', () => undefined);
  await new Promise((resolve) => response.once('close', resolve));
  const { statusCode = 0, headers, complete } = response;
  return { status: statusCode, headers, body: Buffer.concat(parts), complete, ms: performance.now() - startedMs };
}

async function entries(simulator: Simulator): Promise<LedgerEntry[]> {
  const response = await fetch(`${simulator.url}/simulator/ledger`);
  return ((await response.json()) as { entries: LedgerEntry[] }).entries;
}

/** The newest entry once it satisfies a condition. */
async function settled(simulator: Simulator, when: (entry: LedgerEntry) => boolean): Promise<LedgerEntry> {
  for (;;) {
    const entry = (await entries(simulator)).at(-1);
    if (entry !== undefined && when(entry)) return entry;
    await delay(5);
  }
}

t.test('a cut breaks the connection in the middle, and what was produced is charged', async (t) => {
  const simulator = await start(t);
  const stream = await ask(simulator, 'cut', body(true));
  t.equal(stream.complete, false);
  t.match(stream.body.toString(), /abcd/);
  t.notMatch(stream.body.toString(), /mnop|DONE/);
  t.match((await entries(simulator)).at(-1), { finished: false, output_tokens: 4, produced_output_tokens: 2 });
  const whole = await ask(simulator, 'cut', body(false));
  t.equal(whole.complete, false);
  t.ok(whole.body.length < Number(whole.headers['content-length']));
  t.match((await entries(simulator)).at(-1), { finished: false, produced_output_tokens: 2 });
});

t.test('a reset before the head is no answer and costs nothing', async (t) => {
  const simulator = await start(t);
  const outgoing = open(simulator, 'reset-before-head', body(true));
  const [error] = (await once(outgoing, 'error')) as [NodeJS.ErrnoException];
  t.equal(error.code, 'ECONNRESET');
  t.equal((await entries(simulator)).length, 0);
});

t.test('answers without usage, malformed, empty and trailing ones come as asked', async (t) => {
  const simulator = await start(t);
  const silent = await ask(simulator, 'nousage', body(true, { stream_options: { include_usage: true } }));
  t.notMatch(silent.body.toString(), /usage/);
  t.notMatch((await ask(simulator, 'nousage', body(false))).body.toString(), /usage/);
  t.equal((await entries(simulator)).length, 2, 'they are charged all the same');
  const broken = await ask(simulator, 'malformed', body(false));
  t.throws(() => JSON.parse(broken.body.toString()));
  t.match((await ask(simulator, 'malformed', body(true))).body.toString(), /data: {"broken":\n\n.*data: \[DONE\]/s);
  t.match(await ask(simulator, 'empty', body(false)), { status: 200, body: Buffer.alloc(0), complete: true });
  t.match(await ask(simulator, 'empty', body(true)), { status: 200, body: Buffer.alloc(0), complete: true });
  t.match((await ask(simulator, 'trailing', body(true))).body.toString(), /\[DONE\]\n\ndata: {"trailing":true}/);
});

t.test('trailing bytes follow a whole answer on the wire', async (t) => {
  const simulator = await start(t);
  const { hostname, port } = new URL(simulator.url);
  const socket = connect(Number(port), hostname);
  const text = body(false);
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nx-simulator-fault: trailing\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
  );
  let got = '';
  socket.on('data', (part) => {
    got += part;
  });
  await once(socket, 'close');
  t.match(got, /}trailing bytes$/);
});

t.test('gzip compresses whole answers and streams', async (t) => {
  const simulator = await start(t);
  for (const stream of [true, false]) {
    const plain = await ask(simulator, '', body(stream));
    const packed = await ask(simulator, 'gzip', body(stream));
    t.equal(packed.headers['content-encoding'], 'gzip');
    const strip = (bytes: Buffer) => bytes.toString().replaceAll(/chatcmpl-\w+|"created":\d+/g, '');
    t.equal(strip(gunzipSync(packed.body)), strip(plain.body));
  }
});

t.test('an answer of any size comes, in a stream as one event', async (t) => {
  const simulator = await start(t);
  const size = 3_000_000;
  const stream = (await ask(simulator, `size:${size}`, body(true))).body.toString();
  t.ok(stream.split('\n\n').some((event) => event.length > size));
  t.match((await entries(simulator)).at(-1), { produced_output_tokens: size / 4, finished: true });
  const whole = JSON.parse((await ask(simulator, `size:${size}`, body(false))).body.toString());
  t.equal(whole.choices[0].message.content.length, size);
});

t.test('hang and delay-head keep the caller waiting, where they say', async (t) => {
  const simulator = await start(t);
  for (const stream of [true, false]) {
    t.ok((await ask(simulator, 'hang:150', body(stream))).ms >= 148);
    t.ok((await ask(simulator, 'delay-head:150', body(stream))).ms >= 148);
  }
  t.ok((await ask(simulator, 'delay-head:100,status:503', body(true))).ms >= 98);
});

t.test('an endless stream goes on until the caller leaves, who is charged for what was produced', async (t) => {
  const simulator = await start(t);
  const outgoing = open(simulator, 'endless,rate:400', body(true));
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  response.resume();
  await settled(simulator, (entry) => entry.produced_output_tokens > 40);
  outgoing.destroy();
  let before = -1;
  const last = await settled(simulator, (entry) => {
    const still = entry.produced_output_tokens === before;
    before = entry.produced_output_tokens;
    return still;
  });
  t.equal(last.finished, false);
  t.ok(BigInt(last.cost_nano_usd) > 0n);
});

t.test('a caller who leaves before a whole answer is charged for the part that was made', async (t) => {
  const simulator = await start(t);
  const text = body(false, { messages: [{ role: 'user', content: `say ${'abcd'.repeat(1000)}` }] });
  const outgoing = open(simulator, 'rate:500', text);
  outgoing.on('error', () => undefined);
  await settled(simulator, (one) => Date.now() - one.at > 60);
  outgoing.destroy();
  const entry = await settled(simulator, (one) => one.produced_output_tokens > 0);
  t.ok(entry.produced_output_tokens < 1000);
  t.equal(entry.output_tokens, 1000);
  t.equal(entry.finished, false);
});

t.test('realistic timing: the first token after 120 to 350 ms, then 60 to 120 a second', async (t) => {
  const simulator = await start(t, 'realistic');
  const text = body(true, { messages: [{ role: 'user', content: `say ${'abcd'.repeat(24)}` }] });
  const startedMs = performance.now();
  const [response] = (await once(open(simulator, '', text), 'response')) as [IncomingMessage];
  const firstMs = performance.now() - startedMs;
  response.resume();
  await once(response, 'end');
  const wholeMs = performance.now() - startedMs;
  t.ok(firstMs >= 115 && firstMs < 800, `${firstMs} ms to the first token`);
  // From the request on: a first chunk that is seen late makes the time between the two shorter than it was.
  t.ok(wholeMs >= 115 + 190 && wholeMs < 2300, `${wholeMs} ms to the last of 24 tokens`);
});

t.test('an answer is not finished while its reader does not read', async (t) => {
  const simulator = await start(t);
  const outgoing = open(simulator, 'size:60000000', body(true));
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  response.pause();
  t.match((await entries(simulator)).at(-1), { finished: false });
  outgoing.destroy();
  t.match(await settled(simulator, (entry) => entry.produced_output_tokens > 0), { finished: false });
});

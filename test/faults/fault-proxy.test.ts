import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { startFaultProxy } from './fault-proxy.ts';
import { createRandom } from './random.ts';
import { resetSocket } from './reset-socket.ts';

t.setTimeout(60_000);

/** Answers every byte with itself, and keeps what it got. */
const got: Buffer[] = [];
const ends: string[] = [];
const echo = createServer((socket) => {
  socket.on('data', (bytes) => {
    got.push(bytes);
    socket.write(bytes);
  });
  socket.on('end', () => ends.push('end'));
  socket.on('error', (error) => ends.push((error as NodeJS.ErrnoException).code ?? 'error'));
});
t.before(async () => {
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
});
t.teardown(() => echo.close());

async function open() {
  const { port } = echo.address() as AddressInfo;
  const proxy = await startFaultProxy(`tcp://127.0.0.1:${port}`);
  const { hostname, port: through } = new URL(proxy.url);
  const callers: Caller[] = [];
  const call = async () => {
    const caller = new Caller(connect(Number(through), hostname));
    callers.push(caller);
    await caller.connected;
    return caller;
  };
  t.teardown(async () => {
    for (const { socket } of callers) socket.destroy();
    await proxy.close();
  });
  return { proxy, call };
}

class Caller {
  readonly socket: Socket;
  text = '';
  end: string | null = null;
  readonly connected: Promise<void>;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      this.text += bytes.toString('latin1');
    });
    socket.on('end', () => {
      this.end ??= 'fin';
    });
    socket.on('error', (error) => {
      this.end ??= (error as NodeJS.ErrnoException).code ?? 'error';
    });
    this.connected = once(socket, 'connect').then(() => undefined);
    this.connected.catch(() => undefined);
  }

  async has(text: string): Promise<void> {
    while (this.text !== text) await once(this.socket, 'data');
  }

  async ended(): Promise<string> {
    while (this.end === null) await delay(5);
    return this.end;
  }
}

t.test('without faults every byte passes both ways, and the end of a caller reaches the server', async (t) => {
  const { proxy, call } = await open();
  const caller = await call();
  const text = 'abc'.repeat(500_000);
  caller.socket.write(text);
  await caller.has(text);
  t.same(proxy.connections(), { open: 1, total: 1 });
  const before = ends.length;
  caller.socket.end();
  while (ends.length === before) await delay(5);
  t.equal(ends.at(-1), 'end');
  t.equal(await caller.ended(), 'fin');
});

t.test('latency and jitter delay every piece and keep the order', async (t) => {
  const { proxy, call } = await open();
  const caller = await call();
  await proxy.set({ up: { latencyMs: 60, jitterMs: 40 }, down: { latencyMs: 40 } });
  const before = performance.now();
  for (const piece of ['a', 'b', 'c', 'd']) {
    caller.socket.write(piece);
    await delay(2);
  }
  await caller.has('abcd');
  const tookMs = performance.now() - before;
  t.ok(tookMs >= 99, `${tookMs} ms`);
});

t.test('a narrow link takes as long as its bandwidth says', async (t) => {
  const { proxy, call } = await open();
  const caller = await call();
  await proxy.set({ up: { bytesPerSecond: 100_000 } });
  const before = performance.now();
  caller.socket.write('x'.repeat(50_000));
  await caller.has('x'.repeat(50_000));
  const tookMs = performance.now() - before;
  t.ok(tookMs >= 450, `${tookMs} ms`);
});

t.test('a cut ends the connection after exactly so many bytes, a reset breaks it', async (t) => {
  const { proxy, call } = await open();
  await proxy.set({ down: { cutAfterBytes: 1000 } });
  const first = await call();
  first.socket.write('x'.repeat(5000));
  t.equal(await first.ended(), 'fin');
  t.equal(first.text.length, 1000);
  await proxy.set({ up: { resetAfterBytes: 10 } });
  const before = got.reduce((sum, bytes) => sum + bytes.length, 0);
  const second = await call();
  second.socket.write('x'.repeat(5000));
  t.equal(await second.ended(), 'ECONNRESET');
  t.ok(got.reduce((sum, bytes) => sum + bytes.length, 0) - before <= 10);
  await proxy.set({});
  const third = await call();
  third.socket.write('hi');
  await third.has('hi');
  proxy.reset();
  t.equal(await third.ended(), 'ECONNRESET');
});

t.test('a black hole holds what is sent either way until it is over', async (t) => {
  const { proxy, call } = await open();
  const caller = await call();
  await proxy.set({ up: { blackHole: true } });
  const before = got.length;
  caller.socket.write('question');
  await delay(100);
  t.equal(got.length, before, 'the server never saw it');
  await proxy.set({ down: { blackHole: true } });
  while (got.length === before) await delay(5);
  await delay(50);
  t.equal(caller.text, '', 'the answer is under way for ever');
  await proxy.set({});
  await caller.has('question');
});

t.test('swallowed answers never arrive, though the server did what it was asked', async (t) => {
  const { proxy, call } = await open();
  const caller = await call();
  await proxy.set({ down: { swallow: true } });
  const before = got.length;
  caller.socket.write('do it');
  while (got.length === before) await delay(5);
  await delay(50);
  t.equal(caller.text, '');
  await proxy.set({});
  t.equal(await caller.ended(), 'ECONNRESET', 'a connection with a hole in it is not used on');
});

t.test('a half-open connection takes bytes that lead nowhere, and the caller is told nothing', async (t) => {
  const { proxy, call } = await open();
  const caller = await call();
  caller.socket.write('a');
  await caller.has('a');
  await proxy.set({ halfOpen: true });
  proxy.sever();
  const before = got.length;
  caller.socket.write('b');
  await delay(100);
  t.equal(caller.end, null);
  t.equal(got.length, before);
  await proxy.set({});
  t.equal(await caller.ended(), 'ECONNRESET');
});

t.test('what refuses is refused by the kernel, keeps open connections and listens again where it was', async (t) => {
  const { proxy, call } = await open();
  const kept = await call();
  await proxy.set({ refuse: true });
  await t.rejects(call(), { code: 'ECONNREFUSED' });
  kept.socket.write('still');
  await kept.has('still');
  await proxy.set({});
  const again = await call();
  again.socket.write('here');
  await again.has('here');
});

t.test('a seed draws the same numbers again', async (t) => {
  const draw = (seed: number) => {
    const random = createRandom(seed);
    return Array.from({ length: 1000 }, () => random.between(1, 6));
  };
  t.same(draw(7), draw(7));
  t.notSame(draw(7), draw(8));
  t.same(new Set(draw(7)), new Set([1, 2, 3, 4, 5, 6]));
});

t.test('a connection that is reset while it is being ended closes without an error', async (t) => {
  const { port } = echo.address() as AddressInfo;
  for (const written of ['', 'some']) {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    const errors: string[] = [];
    socket.on('error', (error) => errors.push(error.message));
    if (written !== '') socket.write(written);
    const closed = once(socket, 'close');
    socket.end();
    resetSocket(socket);
    await closed;
    t.same(errors, []);
  }
});

import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import type { HocError } from '../../storage/schema/errors.ts';
import type { ProviderEntry } from '../../storage/schema/snapshot.ts';
import { createUpstreamClient } from './client.ts';

function provider(baseUrl: string, overrides: Partial<ProviderEntry> = {}): ProviderEntry {
  return {
    slug: 'up',
    base_url: baseUrl,
    dialects: 'auto',
    credential: { kind: 'passthrough' },
    ask_usage: 'never',
    allow_private: true,
    price_as: null,
    headers: {},
    connect_timeout_ms: 2000,
    headers_timeout_ms: 2000,
    idle_timeout_ms: 2000,
    ...overrides,
  };
}

async function listen(t: Test, handler: RequestListener): Promise<{ url: string; server: Server }> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

interface Told {
  status: number;
  headers: string[];
  body: Buffer;
  error: HocError | null;
}

function exchange(
  entry: ProviderEntry,
  input: { method?: string; path?: string; headers?: string[]; body?: Buffer } = {},
): Promise<Told> {
  const client = createUpstreamClient();
  return new Promise((resolve) => {
    const told: Told = { status: 0, headers: [], body: Buffer.alloc(0), error: null };
    const finish = () => client.close().then(() => resolve(told));
    client.send(
      {
        provider: entry,
        method: input.method ?? 'POST',
        path: input.path ?? '/x',
        headers: input.headers ?? [],
        body: input.body ?? null,
      },
      {
        onHead: (head) => Object.assign(told, { status: head.status, headers: head.headers }),
        onData: (chunk) => {
          told.body = Buffer.concat([told.body, chunk]);
        },
        onEnd: finish,
        onError: (error) => {
          told.error = error;
          void finish();
        },
      },
    );
  });
}

t.test('path, query, headers and body reach the provider verbatim below its base path', async (t) => {
  const { url } = await listen(t, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.writeHead(201, ['Set-Cookie', 'a', 'set-cookie', 'b']);
      response.end(
        JSON.stringify({ url: request.url, raw: request.rawHeaders, body: Buffer.concat(chunks).toString('base64') }),
      );
    });
  });
  const body = Buffer.from([0, 255, 13, 10]);
  const told = await exchange(provider(`${url}/base/`), {
    path: '/a//b%2fc?q=%20',
    headers: ['X-Custom', 'One'],
    body,
  });
  const seen = JSON.parse(told.body.toString());
  t.equal(told.status, 201);
  t.equal(seen.url, '/base/a//b%2fc?q=%20');
  t.equal(seen.body, body.toString('base64'));
  t.ok(seen.raw.includes('X-Custom'));
  t.equal(told.headers.filter((name) => name.toLowerCase() === 'set-cookie').length, 2);
});

t.test('a private or loopback address is refused unless the provider allows it, by literal and by name', async (t) => {
  const { url } = await listen(t, (_request, response) => response.end('secret'));
  const port = new URL(url).port;
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '0x7f000001', '169.254.169.254']) {
    const told = await exchange(provider(`http://${host}:${port}`, { allow_private: false }));
    t.equal(told.error?.code, 'upstream_refused_address', host);
  }
});

t.test('a redirect is passed on, never followed', async (t) => {
  const { url } = await listen(t, (_request, response) =>
    response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
  );
  t.equal((await exchange(provider(url))).status, 302);
});

t.test('every failure is told once, in a sentence, and nothing is tried twice', async (t) => {
  let calls = 0;
  const { url } = await listen(t, (request) => {
    calls += 1;
    request.socket.destroy();
  });
  t.match((await exchange(provider(url))).error, { code: 'upstream_failed', publicMessage: /closed the connection/ });
  t.equal(calls, 1);
  const { url: silent } = await listen(t, () => undefined);
  t.match((await exchange(provider(silent, { headers_timeout_ms: 1100 }))).error, {
    publicMessage: /begin its answer/,
  });
  t.match((await exchange(provider('http://127.0.0.1:1'))).error, { publicMessage: /refused the connection/ });
});

t.test('an aborted exchange closes the connection to the provider and tells nothing more', async (t) => {
  let closed: () => void = () => undefined;
  const gone = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const { url } = await listen(t, (_request, response) => {
    response.write('x');
    response.on('close', closed);
  });
  const client = createUpstreamClient();
  const after: string[] = [];
  const sent = client.send(
    { provider: provider(url), method: 'GET', path: '/', headers: [], body: null },
    {
      onHead: () => undefined,
      onData: () => sent.abort(),
      onEnd: () => after.push('end'),
      onError: () => after.push('error'),
    },
  );
  await gone;
  await client.close();
  t.same(after, []);
});

t.test('an answer that ends with its connection survives a reader that pauses at every chunk', async (t) => {
  const whole = Buffer.alloc(3_000_000, 'abc');
  const { createServer: createTcp } = await import('node:net');
  const server = createTcp((socket) => {
    socket.once('data', () => socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), whole])));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const client = createUpstreamClient();
  const got = await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const sent = client.send(
      { provider: provider(url), method: 'GET', path: '/', headers: [], body: null },
      {
        onHead: () => undefined,
        onData: (chunk) => {
          chunks.push(chunk);
          sent.pause();
          setImmediate(() => sent.resume());
        },
        onEnd: () => resolve(Buffer.concat(chunks)),
        onError: reject,
      },
    );
  });
  t.ok(got.equals(whole));
  await client.close();
});

t.test('a query without a path belongs to the base path', async (t) => {
  const { url } = await listen(t, (request, response) => response.end(request.url));
  t.equal((await exchange(provider(url), { path: '?x=1' })).body.toString(), '/?x=1');
  t.equal((await exchange(provider(`${url}/base`), { path: '?x=1' })).body.toString(), '/base?x=1');
});

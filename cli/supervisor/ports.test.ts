import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { chooseAddresses } from './addresses.ts';
import { choosePort, findFreePort, isPortFree, localUrl, parseListen, waitUntilFree } from './ports.ts';

const host = '127.0.0.1';
const nothing = { proxies: 1, proxyPort: null, consolePort: null, adminPort: null };

async function occupy(port = 0): Promise<{ port: number; close(): void }> {
  const server = createServer().listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  t.teardown(() => server.close());
  return { port: typeof address === 'object' && address !== null ? address.port : 0, close: () => void server.close() };
}

t.test('the last port comes before the standard one, and a busy one is passed over', async (t) => {
  const busy = await occupy();
  const [last, standard] = [await findFreePort(host), await findFreePort(host)];
  t.equal(await choosePort({ name: 'proxy', host, asked: null, last, standard }), last);
  t.equal(await choosePort({ name: 'proxy', host, asked: null, last: busy.port, standard }), standard);
  const free = await choosePort({ name: 'proxy', host, asked: null, last: busy.port, standard: busy.port });
  t.not(free, busy.port);
  t.ok(await isPortFree({ host, port: free }));
  t.not(await choosePort({ name: 'proxy', host, asked: null, last, standard: null }, new Set([last])), last);
});

t.test('a port that was asked for is binding: in use, it is named in the error', async (t) => {
  const busy = await occupy();
  await t.rejects(choosePort({ name: 'proxy', host, asked: busy.port, last: null, standard: null }), {
    code: 'conflict',
    message: new RegExp(`Port ${busy.port}.*--proxy-port`),
  });
});

t.test('all addresses differ and come back on the next start', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hoc-ports-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const ports = { proxies: 3, proxyPort: 0, consolePort: 0, adminPort: 0 };
  const first = await chooseAddresses(folder, ports, {});
  const numbers = Object.values(first)
    .flat()
    .map((listen) => listen.port);
  t.equal(first.moreProxies.length, 2);
  t.equal(new Set(numbers).size, numbers.length);
  t.same(await chooseAddresses(folder, { ...nothing, proxies: 3 }, {}), first);
  const moved = await occupy(first.proxy.port);
  t.not((await chooseAddresses(folder, nothing, {})).proxy.port, moved.port);
});

t.test('HOC_PROXY_LISTEN sets host and port, and a flag wins over its port', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hoc-ports-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const [one, two] = [await findFreePort(host), await findFreePort(host)];
  const env = { HOC_PROXY_LISTEN: `0.0.0.0:${one}` };
  t.same((await chooseAddresses(folder, { ...nothing, consolePort: 0, adminPort: 0 }, env)).proxy, {
    host: '0.0.0.0',
    port: one,
  });
  t.same((await chooseAddresses(folder, { proxies: 1, proxyPort: two, consolePort: 0, adminPort: 0 }, env)).proxy, {
    host: '0.0.0.0',
    port: two,
  });
});

t.test('waiting for ports ends when they are free, and names those that are not', async (t) => {
  const busy = await occupy();
  const listen = { host, port: busy.port };
  t.same(await waitUntilFree([listen], 100), [listen]);
  const waiting = waitUntilFree([listen], 5000);
  busy.close();
  t.same(await waiting, []);
});

t.test('listen addresses are read strictly, and wildcards become loopback for clients', async (t) => {
  t.same(parseListen('[::1]:80', 'X'), { host: '::1', port: 80 });
  for (const bad of ['80', 'a:b', 'host:99999', '']) t.throws(() => parseListen(bad, 'HOC_X'), /HOC_X/);
  t.equal(localUrl({ host: '0.0.0.0', port: 1 }), 'http://127.0.0.1:1');
  t.equal(localUrl({ host: '::1', port: 1 }), 'http://[::1]:1');
});

import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isPortFree } from './ports.ts';
import { isAlive } from './process-table.ts';
import { makeScratch, runHoc, until } from './test-start.ts';

t.setTimeout(120_000);

const scratch = makeScratch();
t.teardown(() => scratch.remove());

const isFree = (url: string) => isPortFree({ host: '127.0.0.1', port: Number(new URL(url).port) });
const names = ['clickhouse', 'control', 'postgres', 'proxy', 'queue', 'redis', 'shipper', 'simulator'];

async function run(proxy: string, key: string): Promise<Response> {
  const body = JSON.stringify({ model: 'sim-small', messages: [{ role: 'user', content: 'Hello' }] });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  return fetch(`${proxy}/simulator/v1/chat/completions`, { method: 'POST', headers, body });
}

t.test('from an empty folder to a governed run, through a crash and a kill -9, to a clean stop', async (t) => {
  const first = scratch.start();
  const said = await first.ready;
  const file = scratch.runFile();
  const { proxy: proxyUrl, console: consoleUrl, admin } = file;
  const ready = { ready: true, pid: first.process.pid, proxy: proxyUrl, proxies: [proxyUrl] };
  t.same(said, { ...ready, console: consoleUrl, admin });
  for (const name of ['run.json', 'secrets.json', 'hoc.yaml', 'children.json']) {
    t.equal(statSync(join(scratch.data, name)).mode & 0o777, 0o600, name);
  }
  const { firstKey } = JSON.parse(readFileSync(join(scratch.data, 'secrets.json'), 'utf8')) as { firstKey: string };
  t.equal((await run(file.proxy, firstKey)).status, 200, 'the first key works at once');
  const applied = await runHoc(['apply', '-f', join(scratch.data, 'hoc.yaml'), '--data', scratch.data]);
  t.match(applied, { code: 0, stdout: /^Nothing changed/, stderr: '' }, 'as the start told to, with no variable set');

  const { code, stderr } = await scratch.start().ended;
  t.equal(code, 1, 'a second start on the same folder is refused');
  t.match(stderr, new RegExp(`pid ${first.process.pid}`));

  t.same(
    scratch
      .children()
      .map((child) => child.name)
      .sort(),
    names,
  );
  const metrics = await (await fetch(`${file.admin}/metrics`)).text();
  for (const name of ['proxy', 'control', 'shipper', 'clickhouse', 'supervisor']) t.match(metrics, `process="${name}"`);
  t.equal(metrics.match(/^# TYPE process_cpu_user_seconds_total /gm)?.length, 1);

  const proxy = scratch.children().find((child) => child.name === 'proxy');
  process.kill(proxy?.pid ?? 0, 'SIGKILL');
  await until(
    async () =>
      (await fetch(`${file.admin}/readyz`)).status === 503 ||
      scratch.children().some((child) => child.name === 'proxy' && child.pid !== proxy?.pid),
  );
  await until(async () => (await fetch(`${file.admin}/readyz`)).status === 200);
  t.equal((await run(file.proxy, firstKey)).status, 200, 'a crashed proxy is back where it was');

  const children = scratch.children();
  first.process.kill('SIGKILL');
  await first.ended;
  await until(() => !children.some(isAlive));
  for (const url of [file.proxy, file.console, file.admin, ...Object.values(file.engines)])
    t.ok(await isFree(url), `${new URL(url).host} is free`);

  const second = scratch.start(['--proxy-port', new URL(file.proxy).port]);
  await second.ready;
  t.equal(scratch.runFile().proxy, file.proxy);
  await until(async () => {
    const { stdout } = await runHoc(['runs', 'export', '--data', scratch.data]);
    const runs = stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { status: string });
    return runs.length === 2 && runs.every((one) => one.status === 'succeeded');
  });
  second.process.kill('SIGTERM');
  const ended = await second.ended;
  t.equal(ended.code, 0);
  t.notMatch(ended.stderr, firstKey, 'the first key is shown once');
  t.same(scratch.children(), []);
  for (const url of [file.proxy, file.console, file.admin, ...Object.values(file.engines)])
    t.ok(await isFree(url), `${new URL(url).host} is free`);
});

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import t from 'tap';
import type { EngineUrls } from './engines.ts';
import { isPortFree } from './ports.ts';
import { identifyProcess } from './process-table.ts';

/** Starts Postgres and both Redis of a data folder in a process of their own, which says where they are. */
const script = `
const [folder, here] = process.argv.slice(1);
const load = (name) => import(new URL('./' + name + '.js', here).href);
const { createFleet } = await load('fleet');
const { openChildRecord, endLeftovers } = await load('leftovers');
const { openDataFolder } = await load('folder');
const { chooseAddresses } = await load('addresses');
const { openSecrets } = await load('secrets');
const { startEngines } = await load('engines');
const data = openDataFolder(folder);
const leftovers = await endLeftovers(data.path);
const fleet = createFleet({ logs: data.path + '/logs', record: openChildRecord(data.path), onFatal: console.error, onRestart() {} });
const addresses = await chooseAddresses(data.path, { proxyPort: 0, consolePort: 0, adminPort: 0 }, {});
const given = { CLICKHOUSE_URL: 'http://given' };
const engines = startEngines({ folder: data.path, fleet, addresses, secrets: openSecrets(data.path), env: { PATH: process.env.PATH }, given });
await engines.all;
const children = fleet.children().map((child) => child.pid());
process.on('SIGTERM', async () => { await fleet.stop([]); data.release(); });
console.log(JSON.stringify({ leftovers, urls: engines.urls, children, postgres: engines.postgresFolder }));
`;

interface Said {
  leftovers: string[];
  urls: EngineUrls;
  children: number[];
  postgres: string;
}

async function startEngines(folder: string): Promise<{ said: Said; end(signal: NodeJS.Signals): Promise<void> }> {
  const args = ['--input-type=module', '-e', script, folder, import.meta.url];
  const holder = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = new Promise<void>((resolve) => holder.once('exit', () => resolve()));
  t.teardown(() => holder.kill('SIGKILL'));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: holder.stdout }).once('line', resolve);
    gone.then(() => reject(new Error('the engines did not start')));
  });
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    holder.kill(signal);
    await gone;
  };
  return { said: JSON.parse(line) as Said, end };
}

async function untilAllGone(said: Said): Promise<void> {
  while (said.children.some((pid) => identifyProcess(pid) !== null))
    await new Promise((resolve) => setTimeout(resolve, 10));
}

const portsOf = (urls: EngineUrls) =>
  [urls.DATABASE_URL, urls.REDIS_URL, urls.QUEUE_REDIS_URL].map((url) => ({
    host: '127.0.0.1',
    port: Number(new URL(url).port),
  }));

t.test(
  'in a folder of mode 0700, engines keep their data over stop and kill -9, and never outlive their supervisor',
  async (t) => {
    const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'hoc-engines-')));
    const folder = join(scratch, 'data');
    mkdirSync(folder, { mode: 0o700 });
    const first = await startEngines(folder);
    t.teardown(() => {
      rmSync(scratch, { recursive: true, force: true });
      if (!first.said.postgres.startsWith(scratch))
        rmSync(dirname(first.said.postgres), { recursive: true, force: true });
    });
    t.equal(first.said.urls.CLICKHOUSE_URL, 'http://given', 'an engine with a URL is not started');
    t.equal(first.said.children.length, 3);
    await query(first.said, 'CREATE TABLE kept (n int)');
    t.equal((await query(first.said, 'SHOW fsync'))[0]?.fsync, 'on');
    await t.rejects(
      query(
        {
          ...first.said,
          urls: { ...first.said.urls, DATABASE_URL: first.said.urls.DATABASE_URL.replace(/:[0-9a-f]+@/, ':wrong@') },
        },
        'SELECT 1',
      ),
    );

    await query(first.said, 'INSERT INTO kept VALUES (1)');
    await first.end('SIGKILL');
    await untilAllGone(first.said);
    for (const listen of portsOf(first.said.urls))
      t.ok(await isPortFree(listen), `port ${listen.port} is free after kill -9`);

    const second = await startEngines(folder);
    t.same(second.said.urls, first.said.urls, 'everything is where it was');
    t.same(await query(second.said, 'SELECT n FROM kept'), [{ n: 1 }]);
    await second.end('SIGTERM');
    t.ok(
      second.said.children.every((pid) => identifyProcess(pid) === null),
      'a stop waits until all are gone',
    );
    for (const listen of portsOf(second.said.urls)) t.ok(await isPortFree(listen));
  },
);

async function query(said: Said, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: said.urls.DATABASE_URL });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(text)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

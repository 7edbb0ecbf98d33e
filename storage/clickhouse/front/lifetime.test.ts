import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type LaunchedFront, launchFront } from './test-launch.ts';

async function makeFolder(t: { teardown(action: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hoc-lifetime-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function run(front: LaunchedFront, sql: string): Promise<string> {
  const response = await fetch(front.url, { method: 'POST', body: sql });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}

const table = `CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS fsync_after_insert = 1`;

t.test('kill -9 under load loses no acknowledged row and doubles none', async (t) => {
  const path = await makeFolder(t);
  let acknowledged = 0;
  let front = await launchFront({ path });
  await run(front, table);
  for (let round = 0; round < 2; round++) {
    const target = acknowledged + 12 + round * 7;
    const insertUntilDead = async (): Promise<void> => {
      for (;;) {
        await run(front, `INSERT INTO t FORMAT CSV\n${acknowledged + 1}\n`);
        acknowledged++;
        if (acknowledged === target) void front.kill();
      }
    };
    await t.rejects(insertUntilDead());
    await front.kill();
    front = await launchFront({ path });
    const [count, distinct, last] = (await run(front, 'SELECT count(), uniqExact(a), max(a) FROM t'))
      .split('\t')
      .map(Number);
    t.ok(
      Number(last) === acknowledged || Number(last) === acknowledged + 1,
      'at most the one in flight is there beside them',
    );
    t.same([count, distinct], [last, last]);
    acknowledged = Number(last);
  }
  t.equal(await front.stop(), 0);
});

t.test('SIGTERM lets running queries finish, takes no new ones, and ends with 0', async (t) => {
  const path = await makeFolder(t);
  const front = await launchFront({ path });
  await run(front, table);
  const query = run(front, 'SELECT count() FROM numbers(20) WHERE sleepEachRow(0.05) = 0 SETTINGS max_block_size = 20');
  let running = '0\n';
  while (running === '0\n')
    running = await run(
      front,
      "SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow%' AND query NOT LIKE '%processes%'",
    );
  const stopped = front.stop();
  t.equal(await query, '20\n');
  t.equal(await stopped, 0);
  await t.rejects(run(front, 'SELECT 1'));
  const again = await launchFront({ path });
  t.equal(await run(again, 'SELECT count() FROM t'), '0\n', 'the folder opens again');
  t.equal(await again.stop(), 0);
});

t.test('a second front on one folder says that it is in use, and the first goes on', async (t) => {
  const path = await makeFolder(t);
  const front = await launchFront({ path });
  await t.rejects(launchFront({ path }), {
    message: new RegExp(`${path}/engine is in use by another process \\(last opened by process ${front.pid}\\)`),
  });
  t.equal(await run(front, 'SELECT 1'), '1\n');
  t.equal(await front.stop(), 0);
});

t.test('bodies that a killed front left behind are removed at the next start', async (t) => {
  const path = await makeFolder(t);
  await (await launchFront({ path })).stop();
  await writeFile(join(path, 'incoming', 'body-7'), 'half a body');
  const front = await launchFront({ path });
  t.same(await readdir(join(path, 'incoming')), []);
  await front.stop();
});

t.test('with a password set, a query without it is refused', async (t) => {
  const path = await makeFolder(t);
  const front = await launchFront({ path, env: { HOC_CLICKHOUSE_PASSWORD: 'opensesame' } });
  const status = async (init: RequestInit): Promise<number> =>
    (await fetch(front.url, { method: 'POST', body: 'SELECT 1', ...init })).status;
  const basic = (password: string) => ({
    authorization: `Basic ${Buffer.from(`default:${password}`).toString('base64')}`,
  });
  t.equal(await status({}), 403);
  t.equal(await status({ headers: basic('wrong') }), 403);
  t.equal(await status({ headers: basic('opensesame') }), 200);
  t.equal(await status({ headers: { 'x-clickhouse-key': 'opensesame' } }), 200);
  await front.stop();
});

t.test('settings that cannot work are refused by name before anything starts', async (t) => {
  const path = await makeFolder(t);
  await t.rejects(launchFront({ path, env: { HOC_CLICKHOUSE_LISTEN: 'nowhere' } }), {
    message: /HOC_CLICKHOUSE_LISTEN must be host:port/,
  });
  await t.rejects(launchFront({ path, env: { HOC_CLICKHOUSE_MEMORY_BYTES: '12' } }), {
    message: /HOC_CLICKHOUSE_MEMORY_BYTES/,
  });
  const file = join(path, 'a-file');
  await writeFile(file, '');
  await chmod(file, 0o600);
  await t.rejects(launchFront({ path: join(file, 'x') }), { message: /cannot be made or written/ });
});

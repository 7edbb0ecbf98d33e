import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import t from 'tap';
import { launchFront } from './test-launch.ts';

const folder = await mkdtemp(join(tmpdir(), 'hoc-front-'));
const front = await launchFront({ path: folder });
const client = createClient({ url: front.url, log: { level: ClickHouseLogLevel.OFF } });
t.teardown(async () => {
  await client.close();
  await front.stop();
  await rm(folder, { recursive: true, force: true });
});

async function post(
  sql: string,
  url = '',
  init: RequestInit = {},
): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(`${front.url}/?${url}`, { method: 'POST', body: sql, ...init });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) if (Date.now() > deadline) throw new Error(`It never came to be that ${what}`);
}

const heavy = 'SELECT sum(sipHash64(number)) FROM numbers(20000000000)';
const nothingRuns = async () =>
  (await post("SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'"))
    .text === '0\n';

await client.command({ query: 'CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a' });
const rows = async () => (await post('SELECT a, b FROM t ORDER BY a FORMAT CSV')).text;
t.beforeEach(() => client.command({ query: 'TRUNCATE TABLE t' }).then(() => undefined));

t.test('a ping answers as ClickHouse does', async (t) => {
  const response = await fetch(`${front.url}/ping`);
  t.same([response.status, await response.text()], [200, 'Ok.\n']);
  t.match(await client.ping({ select: true }), { success: true });
});

t.test('a query stands in the URL or in the body, and the answer says what it is', async (t) => {
  const get = await fetch(`${front.url}/?query=SELECT+1+AS+a+FORMAT+JSON&query_id=mine`);
  t.match((await get.json()) as object, { meta: [{ name: 'a', type: 'UInt8' }], data: [{ a: 1 }], rows: 1 });
  t.equal(get.headers.get('x-clickhouse-query-id'), 'mine');
  t.equal(get.headers.get('x-clickhouse-format'), 'JSON');
  t.match(get.headers.get('content-type'), /^application\/json/);
  t.equal((await post('SELECT 2')).text, '2\n');
  t.equal((await post('+ 2', 'query=SELECT+1')).text, '3\n', 'the body continues the query of the URL');
  t.equal((await post('SELECT 1 AS a', 'default_format=JSONEachRow')).text, '{"a":1}\n');
  t.equal((await post('SELECT name FROM databases ORDER BY name LIMIT 1', 'database=system')).status, 200);
});

t.test('an exception has its status, code header and text', async (t) => {
  for (const [sql, status, code] of [
    ['SELEC 1', 400, '62'],
    ['SELECT * FROM nosuch', 404, '60'],
    ['SELECT throwIf(1)', 500, '395'],
  ] as const) {
    const answer = await post(sql);
    t.same([answer.status, answer.headers.get('x-clickhouse-exception-code')], [status, code], sql);
    t.match(answer.text, new RegExp(`^Code: ${code}\\. DB::Exception: `));
  }
  await t.rejects(client.query({ query: 'SELECT * FROM nosuch' }), { code: '60', type: 'UNKNOWN_TABLE' });
  t.equal((await post('SELECT 1', 'nosuchsetting=1')).headers.get('x-clickhouse-exception-code'), '115');
  t.equal((await post('SELECT 1', 'session_id=x')).status, 501);
  const get = await fetch(`${front.url}/?query=DROP+TABLE+t`);
  t.same([get.status, get.headers.get('x-clickhouse-exception-code')], [500, '164'], 'GET does not write');
});

t.test('rows are inserted from the body in every way it can come', async (t) => {
  const insert = 'query=INSERT+INTO+t+FORMAT+JSONEachRow';
  const one = await post('{"a":1,"b":"plain"}\n', insert);
  t.match(JSON.parse(String(one.headers.get('x-clickhouse-summary'))), { written_rows: '1' });
  const headers = { 'content-encoding': 'gzip' };
  t.equal((await post('', insert, { body: gzipSync('{"a":2,"b":"gzip"}'), headers })).status, 200);
  await post('INSERT INTO t FORMAT CSV\n3,"in one; body"\n');
  await post("INSERT INTO t VALUES (4, concat('val', 'ues'))");
  await post("(5, 'it''s')", 'query=INSERT+INTO+t+VALUES');
  await post('', '', { body: gzipSync("INSERT INTO t SELECT 6, 'whole query gzipped'"), headers });
  t.equal((await post('', insert)).status, 200, 'no rows are no error');
  const body = Readable.toWeb(Readable.from([Buffer.from('{"a":7,'), Buffer.from('"b":"streamed"}')]));
  await fetch(`${front.url}/?${insert}`, { method: 'POST', body, duplex: 'half' } as RequestInit);
  await client.insert({ table: 't', values: [{ a: 8, b: "client's" }], format: 'JSONEachRow' });
  await post('', 'query=INSERT+INTO+t+FORMAT+RowBinary', { body: Buffer.from('0900000000000000010a', 'hex') });
  t.equal(
    await rows(),
    '1,"plain"\n2,"gzip"\n3,"in one; body"\n4,"values"\n5,"it\'s"\n6,"whole query gzipped"\n7,"streamed"\n8,"client\'s"\n9,"\n"\n',
  );
  t.same(await readdir(join(folder, 'incoming')), [], 'no body is left on disk');
});

t.test('rows that cannot be parsed are an error, and none of them is kept', async (t) => {
  const answer = await post('{"a":1,"b":"x"}\n{"a":oops}', 'query=INSERT+INTO+t+FORMAT+JSONEachRow');
  t.equal(answer.status, 400);
  t.same([await rows(), await readdir(join(folder, 'incoming'))], ['', []]);
});

t.test('a deduplication token in the SQL is honoured', async (t) => {
  await client.command({ query: 'ALTER TABLE t MODIFY SETTING non_replicated_deduplication_window = 100' });
  const sql = "INSERT INTO t SETTINGS insert_deduplication_token = 'x' FORMAT CSV\n";
  for (const row of ['1,a', '2,b']) await post(`${sql}${row}\n`);
  t.equal(await rows(), '1,"a"\n', 'same token, other rows: one insert');
});

t.test("one query's settings, database and temporary tables do not reach the next", async (t) => {
  const look = "SELECT getSetting('max_threads'), getSetting('final'), getSetting('async_insert'), currentDatabase()";
  const before = (await post(look)).text;
  t.match(before, /false\tfalse\tdefault\n$/);
  t.match((await post(look, 'max_threads=1&final=1&async_insert=1&database=system')).text, /^1\ttrue\ttrue\tsystem\n$/);
  await post('SELECT nosuch', 'max_threads=1&final=1');
  for (const sql of ['SET final = 1', 'USE system', 'CREATE TEMPORARY TABLE secret (x UInt8)'])
    t.equal((await post(sql)).status, 200, sql);
  for (let attempt = 0; attempt < 4; attempt++) {
    t.equal((await post(look)).text, before);
    t.equal((await post('SELECT * FROM secret')).status, 404);
  }
});

t.test('what a failed or killed query had already put out is in no later answer', async (t) => {
  const failing = 'SELECT throwIf(number = 500000) FROM numbers(1000000)';
  for (const format of ['JSON', 'JSONEachRow', 'CSV', 'Pretty']) {
    for (const wait of [0, 1]) {
      await post(failing, `default_format=${format}&wait_end_of_query=${wait}`).catch(() => null);
      const leaving = new AbortController();
      const left = fetch(`${front.url}/?default_format=${format}&wait_end_of_query=${wait}`, {
        method: 'POST',
        body: heavy,
        signal: leaving.signal,
      });
      await until('the heavy query runs', async () => !(await nothingRuns()));
      leaving.abort();
      await t.rejects(left);
      for (let attempt = 0; attempt < 3; attempt++)
        t.equal((await post("SELECT 'mine'")).text.slice(0, 80), 'mine\n', `${format} ${wait}`);
    }
  }
});

t.test('a caller that leaves ends its query', async (t) => {
  const leaving = new AbortController();
  const query = client.query({ query: heavy, abort_signal: leaving.signal });
  await until('the heavy query runs', async () => !(await nothingRuns()));
  leaving.abort();
  await t.rejects(query);
  await until('nothing runs', nothingRuns);
});

t.test('heavy work of one lane does not hold up the others', async (t) => {
  const leaving = new AbortController();
  const batch = client.query({ query: heavy, abort_signal: leaving.signal, clickhouse_settings: { priority: '10' } });
  const held = client.query({ query: heavy, abort_signal: leaving.signal });
  batch.catch(() => undefined);
  held.catch(() => undefined);
  await until(
    'both run',
    async () =>
      (
        await post(
          "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'",
        )
      ).text === '2\n',
  );
  t.equal((await post('SELECT 1')).text, '1\n', 'the second interactive place is free');
  t.equal((await post('1,a', 'query=INSERT+INTO+t+FORMAT+CSV')).status, 200, 'so is the insert');
  t.match(
    await (await fetch(`${front.adminUrl}/metrics`)).text(),
    /hoc_clickhouse_lane_queries\{lane="batch",state="running"\} 1/,
  );
  leaving.abort();
  await until('nothing runs', nothingRuns);
});

t.test('an error in the middle of a stream reaches the client as that error', async (t) => {
  const result = await client.query({
    query: 'SELECT throwIf(number = 900000) FROM numbers(3000000)',
    format: 'JSONEachRow',
  });
  const read = async () => {
    for await (const _ of result.stream());
  };
  await t.rejects(read(), { code: '395', type: 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO' });
  const whole = await post(
    'SELECT throwIf(number = 900000) FROM numbers(3000000)',
    'wait_end_of_query=1&default_format=JSONEachRow',
  );
  t.equal(whole.status, 500, 'with wait_end_of_query it has its own status');
});

t.test('a large answer is whole in every format, streamed or not, compressed or not', async (t) => {
  const sql = 'SELECT number, toString(number) AS s FROM numbers(300000)';
  for (const format of ['JSONEachRow', 'TabSeparatedWithNames', 'CSV', 'JSONCompact']) {
    const streamed = await post(sql, `default_format=${format}&enable_http_compression=1`);
    const whole = await post(sql, `default_format=${format}&wait_end_of_query=1`);
    const body = (text: string) => text.replace(/"statistics"[\s\S]*/, '');
    t.equal(streamed.headers.get('content-encoding'), 'gzip');
    t.ok(body(streamed.text) === body(whole.text), format);
  }
});

t.test('pages in a browser cannot reach it, and other paths are none', async (t) => {
  t.equal((await post('SELECT 1', '', { headers: { origin: 'https://evil.example' } })).status, 403);
  t.equal((await fetch(`${front.url}/play`)).status, 501);
  t.equal((await post('SELECT 1', 'query=%ff')).status, 400, 'a query is UTF-8');
});

t.test('a caller that breaks off in the middle of its rows inserts nothing', async (t) => {
  const socket = connect(Number(new URL(front.url).port), '127.0.0.1');
  socket.write('POST /?query=INSERT+INTO+t+FORMAT+CSV HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n1,"a"\n');
  await until('the body has begun to arrive', async () => (await readdir(join(folder, 'incoming'))).length === 1);
  socket.destroy();
  await until('the body is gone', async () => (await readdir(join(folder, 'incoming'))).length === 0);
  t.equal(await rows(), '');
});

t.test('live, ready and metrics are on the admin address', async (t) => {
  for (const path of ['livez', 'readyz', 'metrics'])
    t.equal((await fetch(`${front.adminUrl}/${path}`)).status, 200, path);
});

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { insertBatch } from './insert.ts';
import { renewExpiry, retainedTables, setRetention, setSystemRetention } from './retention.ts';
import { selectRows } from './select.ts';
import { countRuns, openTestEngine, testRecord, testRun } from './test-rows.ts';

const { ch, path, close } = await openTestEngine();
t.teardown(close);
const all = { kind: 'all' } as const;
const dayMs = 86_400_000;
const now = Date.now();

async function value(sql: string): Promise<unknown> {
  return (await selectRows(ch, { sql }))[0]?.[0];
}

async function command(query: string): Promise<void> {
  await ch.client.command({ query });
}

/** Renews until nothing is left to renew, one partition a call. */
async function renewAll(table: 'runs', days: number): Promise<string[]> {
  const renewed: string[] = [];
  for (;;) {
    const partition = await renewExpiry(ch, table, days);
    if (partition !== null) renewed.push(partition);
    const busy = Number(await value("SELECT count() FROM system.mutations WHERE table = 'runs' AND NOT is_done"));
    if (partition === null && busy === 0) return renewed;
  }
}

t.test('rows leave when they are older than the days that are set, also those from before the setting', async (t) => {
  await command('SYSTEM STOP MERGES runs');
  const runs = [400, 100, 20, 1].map((age) =>
    testRun({ started_at: now - age * dayMs, run_id: runIdOf(now - age * dayMs) }),
  );
  for (const [index, run] of runs.entries()) {
    await insertBatch(ch, { id: `aged-${index}`, records: [], runs: [run], payloads: [] });
  }
  t.equal(await setRetention(ch, 'runs', 300), true);
  t.equal(await setRetention(ch, 'runs', 300), false, 'set once');
  t.equal(await countRuns(ch, all), 4, 'setting it rewrites and removes nothing');
  await command('SYSTEM START MERGES runs');
  const partitions = new Set(runs.map((run) => new Date(run.started_at).toISOString().slice(0, 7).replace('-', '')));
  t.same(await renewAll('runs', 300), [...partitions].sort(), 'each partition is brought up to date, one a call');
  t.same(await renewAll('runs', 300), [], 'and not again');
  await command('OPTIMIZE TABLE runs FINAL');
  t.equal(await countRuns(ch, all), 3);
  t.equal(await setRetention(ch, 'runs', 30), true, 'it can be changed');
  await renewAll('runs', 30);
  await command('OPTIMIZE TABLE runs FINAL');
  t.equal(await countRuns(ch, all), 2);
  t.equal(await setRetention(ch, 'runs', 0), true);
  t.equal(await setRetention(ch, 'runs', 0), false);
  await insertBatch(ch, { id: 'ever', records: [], runs: [runs[0] ?? testRun()], payloads: [] });
  await command('OPTIMIZE TABLE runs FINAL');
  t.equal(await countRuns(ch, all), 3, '0 keeps for ever');
});

function runIdOf(ms: number): string {
  const hex = Math.floor(ms).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}

t.test('every table that grows with traffic takes a retention', async (t) => {
  for (const table of retainedTables) {
    await setRetention(ch, table, 45);
    t.match(
      await value(`SELECT engine_full FROM system.tables WHERE name = '${table}'`),
      /TTL .* toIntervalDay\(45\)/,
      table,
    );
  }
  const grows = "database = currentDatabase() AND engine LIKE '%MergeTree' AND name != 'hoc_migrations'";
  t.same(
    await selectRows(ch, {
      sql: `SELECT name FROM system.tables WHERE ${grows} AND position(engine_full, ' TTL ') = 0`,
    }),
    [],
  );
});

t.test("ClickHouse's own log tables get an expiry, and months that are over it go at once", async (t) => {
  for (const name of ['fake_log', 'fake_log_0']) {
    await command(`CREATE TABLE system.${name} (event_date Date, text String) ENGINE = MergeTree
      PARTITION BY toYYYYMM(event_date) ORDER BY event_date`);
    await command(`INSERT INTO system.${name} SELECT today() - number, 'x' FROM numbers(400)`);
  }
  t.same(await setSystemRetention(ch, 7), ['fake_log', 'fake_log_0']);
  t.same(await setSystemRetention(ch, 7), []);
  t.ok(
    Number(await value('SELECT count() FROM system.fake_log')) <= 31 + 8,
    'a month and a week at most before merges',
  );
  await command('ALTER TABLE system.fake_log MATERIALIZE TTL SETTINGS mutations_sync = 2');
  await command('OPTIMIZE TABLE system.fake_log FINAL');
  t.ok(Number(await value('SELECT count() FROM system.fake_log')) <= 8);
  t.same(await setSystemRetention(ch, 3), ['fake_log', 'fake_log_0'], 'it can be changed');
  for (const name of ['fake_log', 'fake_log_0']) await command(`DROP TABLE system.${name} SYNC`);
});

/** Bytes of every file that no table of ours is in. */
async function systemBytes(folder: string): Promise<number> {
  const ours = new Set(
    (await selectRows(ch, { sql: "SELECT arrayJoin(data_paths) FROM system.tables WHERE database = 'default'" })).map(
      ([own]) => String(own).replace(/\/$/, ''),
    ),
  );
  const measure = async (at: string): Promise<number> => {
    let bytes = 0;
    for (const entry of await readdir(at, { withFileTypes: true })) {
      const place = join(at, entry.name);
      if (entry.isDirectory()) bytes += ours.has(place) ? 0 : await measure(place);
      else if (entry.isFile()) bytes += (await stat(place).catch(() => ({ size: 0 }))).size;
    }
    return bytes;
  };
  return measure(folder);
}

t.test('after many queries the engine has kept nothing of its own', async (t) => {
  const work = async (rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      await value(`SELECT ${round}`);
      if (round % 20 !== 0) continue;
      const run = testRun();
      await insertBatch(ch, {
        id: `own-${now}-${round}-${rounds}`,
        records: [testRecord(run)],
        runs: [run],
        payloads: [],
      });
      await t.rejects(value('SELECT no_such_column'));
    }
  };
  await work(60);
  const before = await systemBytes(path);
  await work(300);
  const after = await systemBytes(path);
  t.ok(after - before < 64 * 1024, `${before} bytes became ${after}`);
  t.same(
    await selectRows(ch, {
      sql: "SELECT name FROM system.tables WHERE database = 'system' AND engine LIKE '%MergeTree' AND name LIKE '%_log%'",
    }),
    [],
  );
});

import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { connectClickHouse } from './connection.ts';
import { launchFront } from './front/test-launch.ts';
import { insertBatch } from './insert.ts';
import { migrateClickHouse } from './migrate.ts';
import { countBatch, makeBatch, onceEach } from './test-batch.ts';

t.test('kill -9 at any moment of an insert: after the retry it is stored exactly once', async (t) => {
  const path = await mkdtemp(join(tmpdir(), 'hoc-clickhouse-kill-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  let front = await launchFront({ path });
  let ch = connectClickHouse(front.url);
  await migrateClickHouse(ch);
  const cut: boolean[] = [];
  for (let round = 0; round < 5; round++) {
    const batch = makeBatch(`killed-${round}`, 2_000, 1_000);
    const insert = insertBatch(ch, batch).then(
      () => false,
      () => true,
    );
    await delay(30 + Math.random() * 250);
    await front.kill();
    cut.push(await insert);
    await ch.close();
    front = await launchFront({ path });
    ch = connectClickHouse(front.url);
    await insertBatch(ch, batch);
    t.same(await countBatch(ch, batch.id), onceEach(2_000), `round ${round}, ${cut[round] ? 'cut' : 'acknowledged'}`);
  }
  t.ok(cut.includes(true), 'at least one was cut');
  await ch.close();
  await front.stop();
});

t.test('a full disk is said as such, and the batch is stored once there is room', async (t) => {
  const mount = await mkdtemp(join(tmpdir(), 'hoc-clickhouse-full-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=160m', 'tmpfs', mount]).status === 0;
  if (!mounted) {
    await rm(mount, { recursive: true, force: true });
    t.fail('a small tmpfs has to be mounted: run this as root, or in a user namespace of its own');
    return;
  }
  const front = await launchFront({ path: mount });
  const ch = connectClickHouse(front.url);
  t.teardown(async () => {
    await ch.close();
    await front.kill();
    spawnSync('umount', [mount]);
    await rm(mount, { recursive: true, force: true });
  });
  await migrateClickHouse(ch);
  const small = makeBatch('fits', 100, 100);
  await insertBatch(ch, small);
  const ballast = join(mount, 'ballast');
  t.not(spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=64k'], { stdio: 'ignore' }).status, 0, 'it is full');
  const batch = makeBatch('no-room', 1_000, 2_000);
  for (let attempt = 0; attempt < 3; attempt++) {
    await t.rejects(
      insertBatch(ch, batch),
      { code: 'engine_unavailable', message: /its disk is full/ },
      `attempt ${attempt}`,
    );
  }
  t.same(await countBatch(ch, 'fits'), onceEach(100), 'what was stored can be read');
  await rm(ballast);
  await insertBatch(ch, batch);
  t.same(await countBatch(ch, batch.id), onceEach(1_000));
});

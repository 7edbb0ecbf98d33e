import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { HocError } from '../schema/errors.ts';
import { keepBallast, openSpool, openSpoolReader, readIfPresent, saveAtomically } from './index.ts';

// Whoever may not mount may do so in a namespace of its own.
if (process.getuid?.() !== 0 && process.env.HOC_TEST_NAMESPACE === undefined) {
  const own = ['-rm', process.execPath, fileURLToPath(import.meta.url)];
  const done = spawnSync('unshare', own, { stdio: 'inherit', env: { ...process.env, HOC_TEST_NAMESPACE: '1' } });
  process.exit(done.status ?? 1);
}
const mountPoint = mkdtempSync(join(tmpdir(), 'hoc-full-'));
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', mountPoint]).status === 0;
t.teardown(() => {
  if (mounted) spawnSync('umount', ['-l', mountPoint]);
  rmSync(mountPoint, { recursive: true, force: true });
});
if (!mounted) t.fail('a small tmpfs has to be mounted: run this as root, or in a user namespace of its own');

t.test(
  'a disk that is really full refuses, loses nothing acknowledged, and is found to work again',
  { skip: !mounted },
  async (t) => {
    writeFileSync(join(mountPoint, 'ballast'), Buffer.alloc(1600 * 1024));
    const spool = await openSpool({ dir: mountPoint, proxyId: 'p', durability: 'process' });
    const head = Buffer.alloc(2000, 97);
    const appendNext = () => spool.append({ kind: 'record', seq: spool.nextSeq(), head, tail: Buffer.alloc(0) });
    let refusal: unknown = null;
    while (refusal === null) {
      try {
        appendNext();
      } catch (error) {
        refusal = error;
      }
    }
    t.ok(refusal instanceof HocError && refusal.code === 'spool_full');
    t.match((refusal as HocError).cause, { code: 'ENOSPC' });
    t.equal(spool.accepts(), false);
    const taken = spool.nextSeq() - 1;
    t.ok(taken > 100);

    unlinkSync(join(mountPoint, 'ballast'));
    const until = Date.now() + 5000;
    while (!spool.accepts() && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
    appendNext();
    t.equal(spool.accepts(), true);
    await spool.close();

    const reader = openSpoolReader({ dir: mountPoint, proxyId: 'p' });
    t.teardown(() => reader.close());
    const budget = { frames: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };
    const from = { epoch: spool.epoch, segment: 1, offset: 0 };
    const slice = await reader.read({ series: 'seg', from, budget, epochIsOver: true });
    t.equal(slice.frames.length, taken + 1);
    t.same(new Set(slice.frames.map((frame, index) => frame.seq - index)), new Set([1]), 'gapless');
    t.same(slice.findings, [], 'the write that failed left nothing behind');
  },
);

t.test('whoever makes room on a full disk has room for it', { skip: !mounted }, async (t) => {
  const ballast = await keepBallast(mountPoint);
  for (const bytes of [64 * 1024, 4096]) {
    for (let n = 0; ; n += 1) {
      try {
        writeFileSync(join(mountPoint, `fill-${bytes}-${n}`), Buffer.alloc(bytes));
      } catch {
        break;
      }
    }
  }
  const path = join(mountPoint, 'state');
  await t.rejects(saveAtomically(path, 'x'.repeat(5000)), { code: 'ENOSPC' });
  await ballast.withRoom(() => saveAtomically(path, 'x'.repeat(5000)));
  t.equal((await readIfPresent(path))?.length, 5000);
});

import { mkdtempSync, readdirSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Frame } from '../schema/record.ts';
import { openSpool, openSpoolReader, type Spool, type SpoolOptions } from './index.ts';

function tempDir(test: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'hoc-room-'));
  test.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function openIn(test: Test, dir: string, more: Partial<SpoolOptions> = {}): Promise<Spool> {
  const sizes = { segmentBytes: 10_000, maxBytes: 160_000 };
  const spool = await openSpool({ dir, proxyId: 'p', durability: 'process', ...sizes, ...more });
  test.teardown(() => spool.close().catch(() => undefined));
  return spool;
}

function append(spool: Spool, tenant: string, bytes: number): void {
  const pad = 'x'.repeat(bytes);
  // A text that looks like the field does not count: its quotes are escaped.
  const head = Buffer.from(JSON.stringify({ pad, route: '"tenant":"other"', tenant }));
  spool.append({ kind: 'record', seq: spool.nextSeq(), head, tail: Buffer.alloc(0) });
}

function fillTo(spool: Spool, tenant: string, bytes: number): void {
  while (spool.stats().bytes < bytes) append(spool, tenant, 1000);
}

t.test('a tenant that fills its share is refused; the others go on until the spool is nearly full', async (t) => {
  const dir = tempDir(t);
  const spool = await openIn(t, dir);
  fillTo(spool, 'loud', 78_000);
  t.equal(spool.room('loud'), 'all', 'up to half of the allowance');
  fillTo(spool, 'loud', 84_000);
  t.same([spool.room('loud'), spool.room('quiet'), spool.room('other')], ['none', 'all', 'all']);
  t.equal(spool.accepts(), true, 'the proxy is ready for the others');
  fillTo(spool, 'quiet', 138_000);
  t.equal(spool.room('quiet'), 'all');
  fillTo(spool, 'quiet', 141_000);
  t.same([spool.room('loud'), spool.room('quiet'), spool.accepts()], ['none', 'none', false]);
  const oldest = readdirSync(join(dir, 'p'))
    .filter((name) => name.endsWith('.seg'))
    .sort();
  for (const name of oldest.slice(0, 6)) unlinkSync(join(dir, 'p', name));
  const until = Date.now() + 5000;
  while (spool.room('loud') !== 'all' && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
  t.equal(spool.room('loud'), 'all', 'what is released is no longer counted');
});

t.test('where metadata is kept, payloads are left out first', async (t) => {
  const spool = await openIn(t, tempDir(t), { whenFull: 'metadata' });
  fillTo(spool, 'loud', 84_000);
  t.same([spool.room('loud'), spool.room('quiet')], ['metadata', 'all']);
  fillTo(spool, 'loud', 102_000);
  t.same([spool.room('loud'), spool.room('quiet')], ['none', 'all']);
  fillTo(spool, 'quiet', 122_000);
  t.equal(spool.room('quiet'), 'metadata', 'nobody’s payloads from three quarters on');
  fillTo(spool, 'quiet', 141_000);
  t.equal(spool.room('quiet'), 'none');
});

t.test('a restart does not give a tenant a new share', async (t) => {
  const dir = tempDir(t);
  const first = await openIn(t, dir);
  fillTo(first, 'loud', 90_000);
  t.equal(first.room('loud'), 'none');
  await first.close();
  const second = await openIn(t, dir);
  t.same([second.room('loud'), second.room('quiet')], ['none', 'all']);
  append(second, 'quiet', 1000);
  const reader = openSpoolReader({ dir, proxyId: 'p' });
  await reader.release('seg', { epoch: second.epoch, segment: 1, offset: 0 });
  await reader.close();
  const until = Date.now() + 5000;
  while (second.room('loud') !== 'all' && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
  t.equal(second.room('loud'), 'all');
  t.same(
    readdirSync(join(dir, 'p')).filter((name) => name.endsWith('.use')),
    [],
    'a released segment leaves nothing behind',
  );
});

t.test('an allowance that a payload does not fit into refuses payload and record together', async (t) => {
  const spool = await openIn(t, tempDir(t));
  const payload: Frame = {
    ...{ kind: 'payload', seq: 0 },
    ...{ head: Buffer.from('{"tenant":"a"}'), tail: Buffer.alloc(170_000) },
  };
  const record = (): Frame => ({
    ...{ kind: 'record', seq: spool.nextSeq() },
    ...{ head: Buffer.from('{"tenant":"a"}'), tail: Buffer.alloc(0) },
  });
  t.throws(() => spool.append(payload, record()), { code: 'spool_full' });
  t.equal(spool.stats().bytes, 0);
  spool.append(record());
  t.equal(spool.nextSeq(), 2, 'the record alone fits');
});

t.test('a folder that vanishes under a running proxy is noticed, and new runs are refused', async (t) => {
  const dir = tempDir(t);
  const spool = await openIn(t, dir);
  append(spool, 'a', 100);
  renameSync(join(dir, 'p'), join(dir, 'gone'));
  const until = Date.now() + 5000;
  while (spool.accepts() && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
  t.equal(spool.accepts(), false);
  t.equal(spool.room('a'), 'none');
  t.throws(() => append(spool, 'a', 100), { code: 'spool_full' });
  renameSync(join(dir, 'gone'), join(dir, 'p'));
  const again = Date.now() + 5000;
  while (!spool.accepts() && Date.now() < again) await new Promise((resolve) => setTimeout(resolve, 20));
  append(spool, 'a', 100);
  t.equal(spool.accepts(), true);
});

t.test('an identity stays with the folder, and another folder has another', async (t) => {
  const [dir, other] = [tempDir(t), tempDir(t)];
  const first = await openIn(t, dir);
  const { identity } = first;
  await first.close();
  t.equal((await openIn(t, dir)).identity, identity);
  t.not((await openIn(t, other)).identity, identity);
});

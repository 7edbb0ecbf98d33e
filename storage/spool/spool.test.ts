import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { HocError } from '../schema/errors.ts';
import type { Frame } from '../schema/record.ts';
import { openSpool, openSpoolReader, type Spool, type SpoolOptions, spoolFolder } from './index.ts';
import { isSpoolLocked } from './lock.ts';

function record(seq: number, text = `record ${seq}`): Frame {
  return { kind: 'record', seq, head: Buffer.from(text), tail: Buffer.from(`{"n":${seq}}`) };
}

function payload(bytes: number, fill: number): Frame {
  return { kind: 'payload', seq: 0, head: Buffer.from('{"part":"request"}'), tail: Buffer.alloc(bytes, fill) };
}

function tempDir(test: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'hoc-spool-'));
  test.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function openIn(test: Test, more: Partial<SpoolOptions> & { dir: string }): Promise<Spool> {
  const spool = await openSpool({ proxyId: 'p', durability: 'process', ...more });
  test.teardown(() => spool.close().catch(() => undefined));
  return spool;
}

async function readAll(dir: string, series: 'seg' | 'big' = 'seg') {
  const reader = openSpoolReader({ dir, proxyId: 'p' });
  try {
    const from = await reader.first(series);
    if (from === null) return { frames: [], findings: [] };
    const budget = { frames: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };
    return await reader.read({ series, from, budget, epochIsOver: false });
  } finally {
    await reader.close();
  }
}

function failsWith(test: Test, code: string, act: () => void): void {
  try {
    act();
    test.fail(`expected ${code}`);
  } catch (error) {
    test.ok(error instanceof HocError && error.code === code, `throws ${code}`);
  }
}

t.test('what was appended is read back in order, across segments', async (t) => {
  const dir = tempDir(t);
  const spool = await openIn(t, { dir, segmentBytes: 4096 });
  for (let n = 1; n <= 500; n += 1) spool.append(record(spool.nextSeq()));
  const { frames, findings } = await readAll(dir);
  t.same(
    frames.map((frame) => [frame.seq, frame.head.toString(), frame.tail.toString()]),
    Array.from({ length: 500 }, (_, index) => [index + 1, `record ${index + 1}`, `{"n":${index + 1}}`]),
  );
  t.same(findings, []);
  t.ok(readdirSync(join(dir, 'p')).includes(`${spool.epoch}-00000002.seg`), 'segments are rotated');
  t.ok(spool.stats().segments > 5);
});

t.test('large payloads are written apart, and sync waits for them', async (t) => {
  const dir = tempDir(t);
  const spool = await openIn(t, { dir, segmentBytes: 1024 * 1024 });
  for (let n = 1; n <= 8; n += 1) {
    spool.append(payload(300_000, n));
    spool.append(payload(1000, n));
    spool.append(record(spool.nextSeq()));
  }
  await spool.sync();
  const big = await readAll(dir, 'big');
  t.same(
    big.frames.map((frame) => [frame.kind, frame.tail.length, frame.tail[0]]),
    Array.from({ length: 8 }, (_, index) => ['payload', 300_000, index + 1]),
  );
  const small = await readAll(dir);
  t.equal(small.frames.filter((frame) => frame.kind === 'payload').length, 8);
  t.equal(small.frames.filter((frame) => frame.kind === 'record').length, 8);
});

t.test('a record out of sequence is refused, and a refused append takes no seq', async (t) => {
  const spool = await openIn(t, { dir: tempDir(t) });
  failsWith(t, 'internal', () => spool.append(record(2)));
  t.equal(spool.nextSeq(), 1);
  spool.append(record(1));
  t.equal(spool.nextSeq(), 2);
});

t.test('a full spool refuses new runs first, then everything, until the shipper has released segments', async (t) => {
  const dir = tempDir(t);
  const spool = await openIn(t, { dir, segmentBytes: 10_000, maxBytes: 100_000 });
  while (spool.accepts()) spool.append(record(spool.nextSeq(), 'x'.repeat(1000)));
  const atMark = spool.nextSeq();
  t.ok(spool.stats().bytes < 90_000);
  spool.append(record(atMark, 'x'.repeat(1000)));
  const fill = () => {
    for (;;) spool.append(record(spool.nextSeq(), 'x'.repeat(1000)));
  };
  failsWith(t, 'spool_full', fill);
  t.ok(spool.stats().bytes > 95_000 && spool.stats().bytes <= 100_000);
  for (const file of readdirSync(join(dir, 'p')).filter((name) => /0000000[1-4]\.seg$/.test(name))) {
    unlinkSync(join(dir, 'p', file));
  }
  const seq = spool.nextSeq();
  const until = Date.now() + 5000;
  while (!spool.accepts() && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
  spool.append(record(seq));
  t.equal(spool.nextSeq(), seq + 1);
});

t.test('a second open of the same spool is refused and names the holder', async (t) => {
  const dir = tempDir(t);
  await openIn(t, { dir });
  await t.rejects(openSpool({ dir, proxyId: 'p', durability: 'process', lockWaitMs: 0 }), {
    code: 'conflict',
    publicMessage: new RegExp(`"pid":${process.pid}`),
  });
  await openIn(t, { dir, proxyId: 'another' });
});

t.test('the lock is free again after close, and each open begins a greater epoch', async (t) => {
  const dir = tempDir(t);
  const folder = spoolFolder(dir, 'p');
  t.equal(await isSpoolLocked(folder), false, 'a spool that never was is not locked');
  const second = Math.floor(Date.now() / 1000);
  const now = () => second * 1000;
  for (const epoch of [second, second + 1, second + 2]) {
    const spool = await openIn(t, { dir, now });
    t.equal(spool.epoch, epoch, 'at least the second, and one more where that was taken');
    t.equal(spool.nextSeq(), 1);
    t.equal(await isSpoolLocked(folder), true);
    await spool.close();
    t.equal(await isSpoolLocked(folder), false);
  }
  unlinkSync(join(folder, 'epoch'));
  t.equal((await openIn(t, { dir, now: () => 0 })).epoch, second + 3, 'segments alone keep the epoch growing');
});

t.test('a killed writer frees the lock, and all that append returned from is there', async (t) => {
  const dir = tempDir(t);
  const script = join(dir, 'writer.mjs');
  writeFileSync(
    script,
    `import { openSpool } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
     const spool = await openSpool({ dir: ${JSON.stringify(dir)}, proxyId: 'p', durability: 'process' });
     const head = Buffer.alloc(1500, 97);
     for (let n = 0; ; n += 1) {
       spool.append({ kind: 'record', seq: spool.nextSeq(), head, tail: Buffer.alloc(0) });
       if (n % 100 === 99) { process.stdout.write((n + 1) + '\\n'); await new Promise(setImmediate); }
     }`,
  );
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let told = '';
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      told += chunk.toString();
      if (told.split('\n').length > 20) child.kill('SIGKILL');
    });
    child.once('close', () => resolve());
  });
  const acknowledged = Number(told.trim().split('\n').at(-1));
  t.equal(await isSpoolLocked(spoolFolder(dir, 'p')), false);
  const reader = openSpoolReader({ dir, proxyId: 'p' });
  t.teardown(() => reader.close());
  const budget = { frames: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };
  const slice = await reader.read({
    series: 'seg',
    from: (await reader.first('seg')) ?? { epoch: 0, segment: 1, offset: 0 },
    budget,
    epochIsOver: await reader.isEpochOver(await reader.newestEpoch()),
  });
  t.equal(slice.end, 'over');
  t.ok(slice.frames.length >= acknowledged, `${slice.frames.length} read, ${acknowledged} acknowledged`);
  t.same(new Set(slice.frames.map((frame, index) => frame.seq - index)), new Set([1]), 'gapless');
});

t.test('a quiet spool leaves its segment after a while, so that it can be released', async (t) => {
  const dir = tempDir(t);
  const spool = await openIn(t, { dir, segmentAgeMs: 150 });
  spool.append(record(1));
  const until = Date.now() + 5000;
  const second = `${spool.epoch}-00000002.seg`;
  while (Date.now() < until && !readdirSync(join(dir, 'p')).includes(second)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  t.ok(readFileSync(join(dir, 'p', second)).length === 0);
});

t.test('an id that is no plain name is refused', async (t) => {
  for (const proxyId of ['', '..', '../x', 'a/b', '.hidden', 'a\0b', 'x'.repeat(65)]) {
    await t.rejects(openSpool({ dir: tempDir(t), proxyId, durability: 'process' }), { code: 'input_invalid' });
  }
});

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Frame } from '../schema/record.ts';
import { writeHeader } from './frame.ts';
import { openSpoolReader, type Series, type SpoolFrame } from './index.ts';
import { type WriterOrder, type WriterReport, writerEpochMs } from './test-writer.ts';

t.setTimeout(60_000);

const epoch = writerEpochMs / 1000;
const firstSegment = `${epoch}-00000001.seg`;

function tempDir(test: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'hoc-faults-'));
  test.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Starts a writer; under strace where `strace` says what is to go wrong. */
function startWriter(order: WriterOrder, strace: readonly string[] = []): ChildProcess {
  const module = new URL('./test-writer.js', import.meta.url).href;
  const script = `import(${JSON.stringify(module)}).then((m) => m.runWriter(JSON.parse(process.argv[1])))`;
  const node = [process.execPath, '-e', script, JSON.stringify(order)];
  const [program = '', ...args] =
    strace.length === 0 ? node : ['strace', '-f', '-qqq', '-o', '/dev/null', ...strace, ...node];
  return spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function runFaulty(order: WriterOrder, strace: readonly string[]): Promise<WriterReport> {
  const child = startWriter(order, strace);
  let told = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    told += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`the writer ended with ${code}`);
  return JSON.parse(told) as WriterReport;
}

async function readSeries(dir: string, series: Series) {
  const reader = openSpoolReader({ dir, proxyId: 'p' });
  try {
    const from = (await reader.first(series)) ?? { epoch, segment: 1, offset: 0 };
    const budget = { frames: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };
    return await reader.read({ series, from, budget, epochIsOver: true });
  } finally {
    await reader.close();
  }
}

const seqsOf = (frames: readonly SpoolFrame[]) =>
  frames.filter((frame) => frame.kind === 'record').map((frame) => frame.seq);

for (const { name, errno } of [
  { name: 'an I/O error', errno: 'EIO' },
  { name: 'a full disk', errno: 'ENOSPC' },
]) {
  t.test(`${name} refuses, loses nothing acknowledged, takes no sequence number, and is got over`, async (t) => {
    const dir = tempDir(t);
    const order = { dir, records: 60, payloadBytes: [0], waitsForDisk: true };
    const paths = ['-P', join(dir, 'p', firstSegment)];
    const report = await runFaulty(order, [
      ...paths,
      '-e',
      'trace=write',
      '-e',
      `inject=write:error=${errno}:when=21+`,
    ]);
    t.ok(report.refusals.length > 0 && report.refusals.every((refusal) => refusal === `spool_full ${errno}`));
    t.equal(report.accepted, true, 'it works again in another segment');
    const { frames, findings } = await readSeries(dir, 'seg');
    t.same(seqsOf(frames), report.taken, 'all that was acknowledged is there, and nothing else');
    t.same(
      report.taken,
      Array.from({ length: report.taken.length }, (_, index) => index + 1),
      'gapless',
    );
    t.same(findings, []);
  });
}

t.test(
  'where not even the leavings of a failed write can be cut away, the numbers they may have used are passed over',
  async (t) => {
    const dir = tempDir(t);
    const order = { dir, records: 40, payloadBytes: [0], waitsForDisk: true };
    const inject = ['-e', 'inject=write:error=EIO:when=11+', '-e', 'inject=ftruncate:error=EIO'];
    const report = await runFaulty(order, [
      '-P',
      join(dir, 'p', firstSegment),
      '-e',
      'trace=write,ftruncate',
      ...inject,
    ]);
    const { frames } = await readSeries(dir, 'seg');
    t.equal(report.refusals.length, 1);
    t.same(seqsOf(frames), report.taken);
    t.notOk(report.taken.includes(11), 'a number is never given twice');
  },
);

t.test('a disk that fails to sync refuses new runs until a later pass succeeds', async (t) => {
  const dir = tempDir(t);
  const order = { dir, records: 60, payloadBytes: [0], waitsForDisk: true };
  const report = await runFaulty(order, ['-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO:when=1..2']);
  t.ok(report.syncFailures > 0);
  t.equal(report.accepted, true);
  const { frames } = await readSeries(dir, 'seg');
  t.same(seqsOf(frames), report.taken);
});

t.test('a disk that takes a second to sync holds up nobody but who waits for it', async (t) => {
  const dir = tempDir(t);
  const order = { dir, records: 2000, payloadBytes: [0], waitsForDisk: false };
  const report = await runFaulty(order, ['-e', 'trace=fdatasync', '-e', 'inject=fdatasync:delay_enter=1s']);
  t.equal(report.taken.length, 2001);
  t.ok(report.slowestAppendMs < 500, `slowest append ${report.slowestAppendMs} ms`);
  t.same(seqsOf((await readSeries(dir, 'seg')).frames), report.taken);
});

t.test('killed at any moment, a record that stands has its payload, whole', async (t) => {
  let records = 0;
  let large = 0;
  for (const afterMs of [0, 15, 40, 80, 130, 200]) {
    const dir = tempDir(t);
    const child = startWriter({
      dir,
      records: 100_000,
      payloadBytes: [0, 3000, 90_000, 1_500_000, 400],
      waitsForDisk: false,
    });
    const deadline = Date.now() + 20_000;
    while (Date.now() < deadline && !hasGrown(join(dir, 'p'))) await new Promise((resolve) => setTimeout(resolve, 2));
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    child.kill('SIGKILL');
    await once(child, 'close');
    const seg = await readSeries(dir, 'seg');
    const big = await readSeries(dir, 'big');
    const digests = new Map<number, string>();
    for (const frame of [...seg.frames, ...big.frames]) {
      if (frame.kind !== 'payload') continue;
      const { n } = JSON.parse(frame.head.toString()) as { n: number };
      digests.set(n, createHash('sha256').update(frame.tail).digest('hex'));
    }
    for (const frame of seg.frames) {
      if (frame.kind !== 'record') continue;
      const { n, bytes, digest } = JSON.parse(frame.head.toString()) as { n: number; bytes: number; digest: string };
      records += 1;
      if (bytes > 64 * 1024) large += 1;
      if (bytes > 0 && digests.get(n) !== digest) t.fail(`record ${n} lacks its ${bytes} bytes`);
    }
    t.same(
      seqsOf(seg.frames),
      Array.from({ length: seqsOf(seg.frames).length }, (_, index) => index + 1),
    );
  }
  t.ok(records > 20 && large > 5, `${records} records, ${large} with large payloads`);
});

function hasGrown(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => name.endsWith('.big'));
  } catch {
    return false;
  }
}

function encode(seq: number): Buffer {
  const frame: Frame = { kind: 'record', seq, head: Buffer.from(`{"n":${seq}}`), tail: Buffer.alloc(1000, 99) };
  const header = Buffer.alloc(32);
  writeHeader(header, frame);
  return Buffer.concat([header, frame.head, frame.tail]);
}

t.test('blocks that the disk refuses to read cost the frames on them, and the segment is kept', async (t) => {
  const dir = tempDir(t);
  mkdirSync(join(dir, 'p'));
  const bytes = Buffer.concat(Array.from({ length: 40 }, (_, index) => encode(index + 1)));
  writeFileSync(join(dir, 'p', firstSegment), bytes);
  const bad = { from: 3 * 4096, to: 4 * 4096 };
  const handle = await open(join(dir, 'p', firstSegment), 'r');
  const prototype = Object.getPrototypeOf(handle) as { read: (...args: unknown[]) => Promise<unknown> };
  await handle.close();
  const { read } = prototype;
  t.teardown(() => {
    prototype.read = read;
  });
  prototype.read = function (this: unknown, ...args: unknown[]) {
    const [length, position] = [args[2] as number, args[3] as number];
    if (position < bad.to && position + length > bad.from) {
      return Promise.reject(Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' }));
    }
    return read.apply(this, args);
  };
  const reader = openSpoolReader({ dir, proxyId: 'p' });
  t.teardown(() => reader.close());
  const budget = { frames: 100, bytes: 1e9 };
  const request = { series: 'seg', from: { epoch, segment: 1, offset: 0 }, budget, epochIsOver: true } as const;
  for (let attempt = 1; attempt <= 5; attempt += 1) await t.rejects(reader.read(request), { code: 'EIO' });
  const slice = await reader.read(request);
  const size = encode(1).length;
  const lost = (seq: number) => (seq - 1) * size < bad.to && seq * size > bad.from;
  const sound = Array.from({ length: 40 }, (_, index) => index + 1).filter((seq) => !lost(seq));
  t.same(seqsOf(slice.frames), sound);
  t.ok(slice.findings.length > 0 && slice.findings.every((finding) => finding.kind === 'damaged_frame'));
  await reader.release('seg', { epoch: epoch + 1, segment: 1, offset: 0 });
  t.same(
    readdirSync(join(dir, 'p', 'quarantine')).includes(firstSegment),
    true,
    'not unlinked: somebody may yet read it',
  );
});

t.test('a disk that reads nothing at all is waited for, and nothing is passed over', async (t) => {
  const dir = tempDir(t);
  mkdirSync(join(dir, 'p'));
  writeFileSync(join(dir, 'p', firstSegment), Buffer.concat([encode(1), encode(2)]));
  const module = new URL('./index.js', import.meta.url).href;
  const script = `import(${JSON.stringify(module)}).then(async ({ openSpoolReader }) => {
    const reader = openSpoolReader({ dir: ${JSON.stringify(dir)}, proxyId: 'p' });
    const from = { epoch: ${epoch}, segment: 1, offset: 0 };
    const budget = { frames: 100, bytes: 1e9 };
    const codes = [];
    for (let n = 0; n < 12; n += 1) {
      try { codes.push((await reader.read({ series: 'seg', from, budget, epochIsOver: true })).frames.length); }
      catch (error) { codes.push(error.code); }
    }
    process.stdout.write(JSON.stringify(codes));
  })`;
  const strace = [
    '-f',
    '-qqq',
    '-o',
    '/dev/null',
    '-P',
    join(dir, 'p', firstSegment),
    '-e',
    'trace=pread64',
    '-e',
    'inject=pread64:error=EIO',
  ];
  const child = spawn('strace', [...strace, process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let told = '';
  child.stdout.on('data', (chunk: Buffer) => {
    told += chunk.toString();
  });
  await once(child, 'close');
  t.same(
    JSON.parse(told),
    Array.from({ length: 12 }, () => 'EIO'),
  );
});

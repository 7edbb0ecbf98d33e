import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import type { Frame } from '../schema/record.ts';
import { frameBytes, writeHeader } from './frame.ts';
import { openSpoolReader, type SpoolReader, type SpoolSlice } from './reader.ts';
import type { SpoolPosition } from './segment.ts';

const start: SpoolPosition = { epoch: 1, segment: 1, offset: 0 };
const unbounded = { frames: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };

function encode(frame: Frame): Buffer {
  const header = Buffer.alloc(32);
  writeHeader(header, frame);
  return Buffer.concat([header, frame.head, frame.tail]);
}

function makeFrames(count: number, bytes = 200): Frame[] {
  return Array.from({ length: count }, (_, index) => ({
    kind: 'record',
    seq: index + 1,
    head: Buffer.from(`{"seq":${index + 1},"pad":"${'x'.repeat(bytes)}"}`),
    tail: Buffer.from(index % 3 === 0 ? '' : '{"open":1}'),
  }));
}

async function withSpool(act: (folder: string, reader: SpoolReader) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'hoc-reader-'));
  const reader = openSpoolReader({ dir, proxyId: 'p' });
  try {
    mkdirSync(join(dir, 'p'));
    await act(join(dir, 'p'), reader);
  } finally {
    await reader.close();
    rmSync(dir, { recursive: true });
  }
}

const readEpoch1 = (reader: SpoolReader, epochIsOver: boolean, from = start): Promise<SpoolSlice> =>
  reader.read({ series: 'seg', from, budget: unbounded, epochIsOver });

const seqs = (slice: SpoolSlice): number[] => slice.frames.map((frame) => frame.seq);

t.test('a torn tail, cut at any byte, waits in a live epoch and is cut and reported in a dead one', async (t) => {
  const frames = makeFrames(3, 40);
  const whole = Buffer.concat(frames.map(encode));
  const lastAt = whole.length - frameBytes(frames[2] ?? (frames[0] as Frame));
  await withSpool(async (folder, reader) => {
    const path = join(folder, '00000001-00000001.seg');
    writeFileSync(path, whole);
    for (let size = whole.length - 1; size >= lastAt; size -= 1) {
      truncateSync(path, size);
      const live = await readEpoch1(reader, false);
      t.same([seqs(live), live.end, live.to.offset, live.findings], [[1, 2], 'waiting', lastAt, []]);
      const dead = await readEpoch1(reader, true);
      t.same([seqs(dead), dead.end, dead.to.offset], [[1, 2], 'over', size]);
      t.same(
        dead.findings.map(({ kind, offset, bytes }) => ({ kind, offset, bytes })),
        size === lastAt ? [] : [{ kind: 'torn_tail', offset: lastAt, bytes: size - lastAt }],
      );
    }
  });
});

t.test('a torn frame that is completed later is read whole', async (t) => {
  const bytes = encode(makeFrames(1)[0] as Frame);
  await withSpool(async (folder, reader) => {
    const path = join(folder, '00000001-00000001.seg');
    for (const byte of bytes) {
      t.same(seqs(await readEpoch1(reader, false)), []);
      appendFileSync(path, Buffer.of(byte));
    }
    t.same(seqs(await readEpoch1(reader, false)), [1]);
  });
});

t.test('flipped bits lose the frames that they hit, and no other; what was hit is kept in quarantine', async (t) => {
  const frames = makeFrames(20, 60);
  const encoded = frames.map(encode);
  const whole = Buffer.concat(encoded);
  const starts = encoded.map((_, index) => encoded.slice(0, index).reduce((sum, each) => sum + each.length, 0));
  const property = fc.asyncProperty(
    fc.uniqueArray(fc.nat(whole.length * 8 - 1), { minLength: 1, maxLength: 5 }),
    async (bits) => {
      const bytes = Buffer.from(whole);
      const hit = new Set<number>();
      for (const bit of bits) {
        const at = Math.floor(bit / 8);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit % 8));
        hit.add(starts.findLastIndex((begin) => begin <= at) + 1);
      }
      await withSpool(async (folder, reader) => {
        writeFileSync(join(folder, '00000001-00000001.seg'), bytes);
        const slice = await readEpoch1(reader, true);
        const expected = frames.map((frame) => frame.seq).filter((seq) => !hit.has(seq));
        if (seqs(slice).join() !== expected.join())
          throw new Error(`read ${seqs(slice).join()}, hit ${[...hit].join()}`);
        const passed = slice.findings.reduce((sum, finding) => sum + finding.bytes, 0);
        const lost = [...hit].reduce((sum, seq) => sum + (encoded[seq - 1]?.length ?? 0), 0);
        if (passed !== lost) throw new Error(`passed over ${passed} bytes, ${lost} were hit`);
        for (const { file, offset, bytes: length } of slice.findings) {
          const copy = readFileSync(join(folder, 'quarantine', `${file}@${offset}`));
          if (!copy.equals(bytes.subarray(offset, offset + length))) throw new Error('the copy differs');
        }
      });
    },
  );
  const seed = Number(process.env.HOC_SEED ?? Date.now() % 2 ** 31);
  t.comment(`seed ${seed}`);
  await fc.assert(property, { numRuns: 150, seed });
  t.pass('150 damaged segments');
});

t.test('a damaged frame at the end of a live segment waits, and is passed over once a sound one follows', async (t) => {
  const [first, second, third] = makeFrames(3).map(encode) as [Buffer, Buffer, Buffer];
  const bad = Buffer.from(second);
  bad[9] = (bad[9] ?? 0) ^ 0x40;
  await withSpool(async (folder, reader) => {
    const path = join(folder, '00000001-00000001.seg');
    writeFileSync(path, Buffer.concat([first, bad]));
    const waiting = await readEpoch1(reader, false);
    t.same([seqs(waiting), waiting.end, waiting.findings], [[1], 'waiting', []]);
    appendFileSync(path, third);
    const after = await readEpoch1(reader, false, waiting.to);
    t.same([seqs(after), after.findings.map((finding) => finding.kind)], [[3], ['damaged_frame']]);
  });
});

t.test('bytes inside a damaged payload that look like a frame are not taken for one', async (t) => {
  const forged = encode({ kind: 'record', seq: 2, head: Buffer.from('{"forged":true}'), tail: Buffer.alloc(0) });
  const carrier: Frame = {
    kind: 'payload',
    seq: 0,
    head: Buffer.from('{}'),
    tail: Buffer.concat([Buffer.alloc(50), forged]),
  };
  const bad = encode(carrier);
  bad[40] = (bad[40] ?? 0) ^ 1;
  const honest = encode({ kind: 'record', seq: 2, head: Buffer.from('{"honest":true}'), tail: Buffer.alloc(0) });
  await withSpool(async (folder, reader) => {
    writeFileSync(join(folder, '00000001-00000001.seg'), Buffer.concat([bad, honest]));
    const slice = await readEpoch1(reader, true);
    t.same(
      slice.frames.map((frame) => frame.head.toString()),
      ['{"honest":true}'],
    );
  });
});

t.test('missing segments are reported and reading goes on behind them', async (t) => {
  const encoded = makeFrames(5).map(encode);
  await withSpool(async (folder, reader) => {
    for (const [index, bytes] of encoded.entries())
      writeFileSync(join(folder, `00000001-0000000${index + 1}.seg`), bytes);
    for (const gone of [1, 3, 4]) unlinkSync(join(folder, `00000001-0000000${gone}.seg`));
    const slice = await readEpoch1(reader, false, (await reader.first('seg')) ?? start);
    t.same(seqs(slice), [2, 5]);
    t.same(
      slice.findings.map(({ kind, file }) => [kind, file]),
      [
        ['segments_missing', '00000001-00000001.seg'],
        ['segments_missing', '00000001-00000003.seg'],
      ],
    );
  });
});

t.test('a newer epoch makes the older one over, and its frames are never mixed in', async (t) => {
  const [first, second] = makeFrames(2).map(encode) as [Buffer, Buffer];
  await withSpool(async (folder, reader) => {
    writeFileSync(join(folder, '00000001-00000001.seg'), first);
    writeFileSync(join(folder, '00000004-00000001.seg'), second);
    const slice = await readEpoch1(reader, false);
    t.same([seqs(slice), slice.end], [[1], 'over']);
    t.same(await reader.nextEpoch('seg', 1), { epoch: 4, segment: 1, offset: 0 });
    t.equal(await reader.isEpochOver(1), true);
    t.equal(await reader.nextEpoch('big', 1), null);
  });
});

t.test('any cut into budgets yields the same frames, and a range read again yields the same bytes', async (t) => {
  const frames = makeFrames(60, 100);
  const encoded = frames.map(encode);
  await withSpool(async (folder, reader) => {
    for (let segment = 0; segment < 6; segment += 1) {
      writeFileSync(
        join(folder, `00000001-0000000${segment + 1}.seg`),
        Buffer.concat(encoded.slice(segment * 10, segment * 10 + 10)),
      );
    }
    const property = fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 60, maxLength: 60 }),
      async (cuts) => {
        let from = start;
        const read: number[] = [];
        for (const cut of cuts) {
          const slice = await reader.read({
            series: 'seg',
            from,
            budget: { frames: cut, bytes: 3000 },
            epochIsOver: true,
          });
          const again = await reader.read({
            series: 'seg',
            from,
            until: slice.to,
            budget: unbounded,
            epochIsOver: true,
          });
          if (seqs(again).join() !== seqs(slice).join()) throw new Error('read again differs');
          read.push(...seqs(slice));
          from = slice.to;
          if (slice.end === 'over') break;
        }
        if (read.join() !== frames.map((frame) => frame.seq).join()) throw new Error(`read ${read.join()}`);
      },
    );
    await fc.assert(property, { numRuns: 20 });
    t.pass('20 ways of cutting');
  });
});

t.test('release unlinks what lies before the cursor and nothing else', async (t) => {
  await withSpool(async (folder, reader) => {
    const names = ['00000001-00000001.seg', '00000001-00000002.seg', '00000002-00000001.seg', '00000001-00000001.big'];
    for (const name of names) writeFileSync(join(folder, name), encode(makeFrames(1)[0] as Frame));
    t.equal(await reader.release('seg', { epoch: 1, segment: 2, offset: 5 }), 1);
    t.same(readdirSync(folder).sort(), names.filter((name) => name !== '00000001-00000001.seg').sort());
    const behind = await reader.backlog('seg', { epoch: 1, segment: 2, offset: 5 });
    const size = encode(makeFrames(1)[0] as Frame).length;
    t.same(behind, { end: { epoch: 2, segment: 1, offset: size }, bytes: 2 * size - 5 });
  });
});

t.test('a frame larger than the reading window is read whole', async (t) => {
  const frame: Frame = { kind: 'payload', seq: 0, head: Buffer.from('{}'), tail: Buffer.alloc(5_000_000, 0xff) };
  await withSpool(async (folder, reader) => {
    writeFileSync(
      join(folder, '00000001-00000001.seg'),
      Buffer.concat([encode(makeFrames(1)[0] as Frame), encode(frame)]),
    );
    const slice = await readEpoch1(reader, true);
    t.equal(slice.frames[1]?.tail.equals(frame.tail), true);
  });
});

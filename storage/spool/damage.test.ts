import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import type { Frame } from '../schema/record.ts';
import { writeHeader } from './frame.ts';
import { openSpoolReader, type SpoolReader } from './reader.ts';

const unbounded = { frames: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };
const segment = '1800000000-00000001.seg';
const from = { epoch: 1_800_000_000, segment: 1, offset: 0 };

function encode(frame: Frame): Buffer {
  const header = Buffer.alloc(32);
  writeHeader(header, frame);
  return Buffer.concat([header, frame.head, frame.tail]);
}

const frames: readonly Frame[] = Array.from({ length: 7 }, (_, index) => ({
  kind: index === 3 ? 'mark' : index === 5 ? 'payload' : 'record',
  seq: index === 3 || index === 5 ? 0 : index + 1,
  head: Buffer.from(`{"n":${index},"pad":"${'y'.repeat(index * 4)}"}`),
  tail: Buffer.from('z'.repeat((index * 17) % 50)),
}));
const encoded = frames.map(encode);
const whole = Buffer.concat(encoded);
const starts = encoded.map((_, index) => encoded.slice(0, index).reduce((sum, each) => sum + each.length, 0));
const texts = frames.map((frame) => `${frame.kind} ${frame.seq} ${frame.head} ${frame.tail}`);

async function withReader(act: (folder: string, reader: SpoolReader) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'hoc-damage-'));
  const reader = openSpoolReader({ dir, proxyId: 'p' });
  try {
    mkdirSync(join(dir, 'p'));
    await act(join(dir, 'p'), reader);
  } finally {
    await reader.close();
    rmSync(dir, { recursive: true });
  }
}

async function readTexts(reader: SpoolReader) {
  const slice = await reader.read({ series: 'seg', from, budget: unbounded, epochIsOver: true });
  return {
    texts: slice.frames.map((frame) => `${frame.kind} ${frame.seq} ${frame.head} ${frame.tail}`),
    findings: slice.findings,
  };
}

t.test(
  'a bit flipped in any byte quarantines the frame that it hits, and every other one is read as written',
  async (t) => {
    await withReader(async (folder, reader) => {
      let wrong = 0;
      for (let at = 0; at < whole.length; at += 1) {
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
        writeFileSync(join(folder, segment), bytes);
        const hit = starts.findLastIndex((begin) => begin <= at);
        const read = await readTexts(reader);
        const expected = texts.filter((_, index) => index !== hit);
        const [finding] = read.findings;
        const copy = readFileSync(join(folder, 'quarantine', `${segment}@${starts[hit]}`));
        const isRight =
          read.texts.join('|') === expected.join('|') &&
          read.findings.length === 1 &&
          finding?.offset === starts[hit] &&
          finding?.keptCopy === true &&
          copy.equals(bytes.subarray(starts[hit], (starts[hit] ?? 0) + (encoded[hit]?.length ?? 0)));
        if (!isRight) {
          wrong += 1;
          t.comment(`byte ${at}, frame ${hit}: read ${read.texts.length}, ${JSON.stringify(read.findings)}`);
        }
      }
      t.equal(wrong, 0, `${whole.length} bytes`);
      t.ok((await reader.quarantinedBytes()) >= whole.length);
    });
  },
);

t.test('a segment cut anywhere gives all frames before the cut, and says that its tail is torn', async (t) => {
  await withReader(async (folder, reader) => {
    for (let size = 0; size < whole.length; size += 1) {
      writeFileSync(join(folder, segment), whole.subarray(0, size));
      const complete = starts.filter((begin, index) => begin + (encoded[index]?.length ?? 0) <= size).length;
      const read = await readTexts(reader);
      const isTorn = starts[complete] !== size;
      const findings = read.findings.map((finding) => finding.kind).join();
      if (read.texts.join('|') !== texts.slice(0, complete).join('|') || findings !== (isTorn ? 'torn_tail' : '')) {
        t.fail(`cut at ${size}: read ${read.texts.length}, found ${findings}`);
      }
    }
    t.pass(`${whole.length} cuts`);
  });
});

t.test('whatever is done to its bytes, nothing is read that was not written', async (t) => {
  const change = fc.record({
    at: fc.nat(whole.length - 1),
    kind: fc.constantFrom('flip', 'zero', 'delete', 'insert', 'repeat'),
    length: fc.integer({ min: 1, max: 80 }),
  });
  const written = new Set(texts);
  await withReader(async (folder, reader) => {
    const property = fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
      let bytes = Buffer.from(whole);
      for (const { at, kind, length } of changes) {
        const place = Math.min(at, bytes.length);
        const [before, after] = [bytes.subarray(0, place), bytes.subarray(place)];
        if (kind === 'flip') bytes[place] = (bytes[place] ?? 0) ^ (1 << (length % 8));
        else if (kind === 'zero') bytes.fill(0, place, Math.min(bytes.length, place + length));
        else if (kind === 'delete') bytes = Buffer.concat([before, after.subarray(length)]);
        else if (kind === 'insert') bytes = Buffer.concat([before, Buffer.alloc(length, 0xff), after]);
        else bytes = Buffer.concat([before, bytes.subarray(Math.max(0, place - length), place), after]);
      }
      writeFileSync(join(folder, segment), bytes);
      const read = await readTexts(reader);
      const wrong = read.texts.filter((text) => !written.has(text));
      if (wrong.length > 0) throw new Error(`read ${JSON.stringify(wrong)}`);
      for (const file of readdirSync(join(folder, 'quarantine'), { withFileTypes: true })) {
        if (file.isFile()) rmSync(join(folder, 'quarantine', file.name));
      }
    });
    mkdirSync(join(folder, 'quarantine'), { recursive: true });
    const seed = Number(process.env.HOC_SEED ?? Date.now() % 2 ** 31);
    t.comment(`seed ${seed}`);
    await fc.assert(property, { numRuns: 400, seed });
  });
  t.pass('400 segments');
});

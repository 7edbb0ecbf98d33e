import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { saveAtomically } from './atomic-file.ts';
import { openLineLog } from './line-log.ts';

function tempFile(test: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'hoc-lines-'));
  test.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'seals');
}

t.test('lines come back in order, once dropped never again, also after a reopening', async (t) => {
  const path = tempFile(t);
  const log = await openLineLog(path);
  await log.append(['a', 'b']);
  await log.append(['ü']);
  t.equal(log.pending(), 3);
  const first = await log.peek(2);
  t.same(first.lines, ['a', 'b']);
  await log.drop(first);
  t.equal(log.pending(), 1);
  await log.close();
  const again = await openLineLog(path);
  t.equal(again.pending(), 1);
  t.same((await again.peek(10)).lines, ['ü']);
  await again.close();
});

t.test('a line torn by a crash is cut off and what follows is whole', async (t) => {
  const path = tempFile(t);
  appendFileSync(path, 'whole\ntor');
  const log = await openLineLog(path);
  await log.append(['next']);
  t.same((await log.peek(10)).lines, ['whole', 'next']);
  await log.close();
});

t.test('progress beyond the file, as after a crash while emptying, loses no line', async (t) => {
  const path = tempFile(t);
  writeFileSync(path, 'a\nb\n');
  writeFileSync(`${path}.done`, '5000');
  const log = await openLineLog(path);
  t.same((await log.peek(10)).lines, ['a', 'b']);
  await log.close();
});

t.test('a log that was taken whole is emptied, while appends go on', async (t) => {
  const path = tempFile(t);
  const log = await openLineLog(path);
  const long = 'x'.repeat(1000);
  let appended = 0;
  let taken = 0;
  for (let round = 0; round < 40; round += 1) {
    const appending = log.append(Array.from({ length: 50 }, () => `${long}${appended++}`));
    const front = await log.peek(200);
    for (const line of front.lines) if (line !== `${long}${taken++}`) t.fail('out of order');
    await Promise.all([appending, log.drop(front)]);
  }
  while (log.pending() > 0) {
    const front = await log.peek(200);
    taken += front.lines.length;
    await log.drop(front);
  }
  t.equal(taken, appended);
  t.ok(statSync(path).size < 2_000_000, `${statSync(path).size} bytes are left`);
  await log.close();
});

t.test('a file saved atomically holds the last text and leaves no temporary file', async (t) => {
  const path = tempFile(t);
  for (const text of ['one', 'two']) await saveAtomically(path, text);
  t.equal(readFileSync(path, 'utf8'), 'two');
  t.throws(() => statSync(`${path}.tmp`));
});

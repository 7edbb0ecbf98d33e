import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readJson, writeJson } from './folder.ts';
import { endLeftovers, openChildRecord, type RecordedChild } from './leftovers.ts';
import { identifyProcess, isAlive } from './process-table.ts';

const scratch = mkdtempSync(join(tmpdir(), 'hoc-leftovers-'));
t.teardown(() => rmSync(scratch, { recursive: true, force: true }));

async function startSleeper(ignoreTerm = false): Promise<number> {
  const script = `${ignoreTerm ? "process.on('SIGTERM', () => {});" : ''} console.log('up'); setInterval(() => {}, 1000)`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child.pid ?? 0;
}

t.test('exactly the recorded children are ended, one that ignores SIGTERM too', async (t) => {
  const [polite, stubborn, stranger] = await Promise.all([startSleeper(), startSleeper(true), startSleeper()]);
  const record = openChildRecord(scratch);
  record.add('polite', polite, 'SIGTERM');
  record.add('stubborn', stubborn, 'SIGTERM');
  const other = identifyProcess(stranger);
  const ended = await endLeftovers(scratch, 300);
  t.same(ended, ['polite', 'stubborn']);
  t.equal(identifyProcess(polite), null);
  t.equal(identifyProcess(stubborn), null);
  t.ok(other !== null && isAlive(other), 'a process that was not recorded lives on');
});

t.test('a process that only reused a recorded pid is not touched', async (t) => {
  const pid = await startSleeper();
  const identity = identifyProcess(pid);
  if (identity === null) throw new Error('the process is gone');
  const recorded: RecordedChild[] = [
    { ...identity, name: 'earlier', startTicks: '1', stopSignal: 'SIGTERM' },
    { ...identity, name: 'other boot', bootId: 'x', stopSignal: 'SIGTERM' },
  ];
  writeJson(join(scratch, 'children.json'), recorded);
  t.same(await endLeftovers(scratch, 300), []);
  t.ok(isAlive(identity));
});

t.test('the record follows the children', async (t) => {
  const pid = await startSleeper();
  const record = openChildRecord(scratch);
  record.add('one', pid, 'SIGINT');
  t.match(readJson(join(scratch, 'children.json')), [{ name: 'one', pid, stopSignal: 'SIGINT' }]);
  record.remove(pid);
  t.same(readJson(join(scratch, 'children.json')), []);
  t.same(await endLeftovers(join(scratch, 'none')), [], 'no record, no leftovers');
});

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { HocError } from '../../storage/schema/errors.ts';
import { openDataFolder, readJson, writeJson } from './folder.ts';

const scratch = mkdtempSync(join(tmpdir(), 'hoc-folder-'));
t.teardown(() => rmSync(scratch, { recursive: true, force: true }));

t.test('a second holder of a data folder is refused and told the pid of the first', async (t) => {
  const dir = join(scratch, 'held');
  const script = `import(process.argv[1]).then((m) => { m.openDataFolder(process.argv[2]); console.log('held'); setInterval(() => {}, 1000); })`;
  const holder = spawn(process.execPath, ['-e', script, new URL('./folder.js', import.meta.url).href, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => createInterface({ input: holder.stdout }).once('line', resolve));
  try {
    openDataFolder(dir);
    t.fail('the folder was opened twice');
  } catch (error) {
    t.ok(error instanceof HocError && error.code === 'conflict');
    t.match((error as HocError).publicMessage, new RegExp(`pid ${holder.pid}`));
  }
  const gone = new Promise((resolve) => holder.once('exit', resolve));
  holder.kill('SIGKILL');
  await gone;
  const folder = openDataFolder(dir);
  t.equal(folder.path, dir, 'a killed holder leaves no lock behind');
  folder.release();
});

t.test('a new data folder is private, and one of mode 0700 is good', async (t) => {
  const dir = join(scratch, 'new');
  openDataFolder(dir).release();
  t.equal(statSync(dir).mode & 0o777, 0o700);
  const own = join(scratch, 'own');
  mkdirSync(own, { mode: 0o700 });
  openDataFolder(own).release();
  t.equal(statSync(own).mode & 0o777, 0o700);
});

t.test('a path that cannot be a folder is named', async (t) => {
  writeFileSync(join(scratch, 'file'), '');
  t.throws(() => openDataFolder(join(scratch, 'file/below')), /--data DIR/);
});

t.test('files of the folder are private and whole; a damaged one is named', async (t) => {
  const path = join(scratch, 'x.json');
  writeJson(path, { a: 1 });
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.same(readJson(path), { a: 1 });
  t.equal(readJson(join(scratch, 'none.json')), null);
  writeFileSync(path, '{"a":');
  t.throws(() => readJson(path), /damaged/);
});

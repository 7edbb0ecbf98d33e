import './node-version.mjs';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { secondNodePath } from './install.mjs';
import { listSources, root } from './project.mjs';

/**
 * `npm test`: the checks, the whole suite with tap on the built files, the fast part again on Node 24, and one closing
 * line `N passed, N failed` alone. Exits non-zero exactly when something failed. Words given to `npm test --` narrow the
 * run to the test files whose path contains one of them, and leave the checks and Node 24 out.
 */
const fastFolders = [
  'policy/',
  'proxy/dialects/',
  'proxy/pipeline/',
  'storage/schema/',
  'storage/spool/',
  'console/contract/',
  'cli/output/',
];

const words = process.argv.slice(2);
const isWanted = (path) => words.length === 0 || words.some((word) => path.includes(word));
const checks = listSources(['deploy']).filter((path) => path.endsWith('.test.mjs') && isWanted(path));
const built = listSources()
  .filter((path) => path.endsWith('.test.ts') && isWanted(path))
  .map((path) => `dist/${path.replace(/ts$/, 'js')}`);
const tests = [...built, ...checks];

const totals = { passed: 0, failed: 0 };

if (words.length === 0) runCheck();
if (tests.length === 0) {
  console.log('No test file matches.');
  totals.failed += 1;
} else {
  await runTap('all tests', process.execPath, tests);
}
if (words.length === 0) await runOnSecondNode();

console.log(`\n${totals.passed} passed, ${totals.failed} failed`);
process.exitCode = totals.failed === 0 ? 0 : 1;

function runCheck() {
  const check = join(root, 'deploy/setup/check.mjs');
  if (!existsSync(check)) return;
  console.log('# check');
  const done = spawnSync(process.execPath, [check], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (done.status === 0) totals.passed += 1;
  else totals.failed += 1;
}

async function runOnSecondNode() {
  const fast = tests.filter((test) => fastFolders.some((folder) => test.startsWith(`dist/${folder}`)));
  if (!existsSync(secondNodePath) || fast.length === 0) return;
  await runTap('fast tests on Node 24', secondNodePath, fast);
}

/** Runs tap on `files`, prints a line for each file and everything that failed, and adds its counts to the totals. */
async function runTap(title, node, files) {
  console.log(`# ${title}: ${files.length} files`);
  const suite = join(root, 'deploy/setup/suite.mjs');
  const child = spawn(node, [suite, ...files], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  let summary = null;
  let block = [];
  let badFiles = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const found = /^# \{ total: (\d+)(.*)\}$/.exec(line);
    if (found) summary = { passed: count(found[2], 'pass'), failed: count(found[2], 'fail') };
    const file = /^(not )?ok \d+ - (\S+)(.*)$/.exec(line);
    block.push(line);
    if (!file) continue;
    if (file[1] !== undefined) badFiles += 1;
    if (file[1] !== undefined) console.log(block.join('\n'));
    else console.log(`ok ${file[2]}${file[3]}`);
    block = [];
  }
  const status = await new Promise((resolve) =>
    child.exitCode !== null ? resolve(child.exitCode) : child.once('exit', resolve),
  );
  // A file that crashed without a failed assertion has failed all the same.
  const failed = Math.max(summary?.failed ?? 1, badFiles, status === 0 ? 0 : 1);
  if (status !== 0) console.log(block.join('\n'));
  totals.failed += failed;
  totals.passed += summary?.passed ?? 0;
}

function count(summary, name) {
  return Number(new RegExp(`${name}: (\\d+)`).exec(summary)?.[1] ?? 0);
}

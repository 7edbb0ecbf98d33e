import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter } from 'node:path';
import { fail } from './project.mjs';

/** Debian packages HOC uses, and how their presence is seen. `optional` ones are only named when they are missing. */
const packages = {
  'redis-server': { program: 'redis-server', uses: ['start', 'test', 'bench'] },
  'postgresql-15': { file: '/usr/lib/postgresql/15/bin/postgres', uses: ['test', 'bench'] },
  chromium: { program: 'chromium', uses: ['test', 'bench'] },
  strace: { program: 'strace', uses: ['test', 'bench'] },
  'nginx-light': { program: 'nginx', uses: ['test', 'bench'], optional: true },
};

/**
 * Installs the Debian packages that `mode` needs and this machine lacks, as root or through `sudo -n`; otherwise ends the
 * process with the exact command to type. Services of those packages are not started: HOC runs its own.
 */
export function installDebianPackages(mode) {
  const missing = Object.entries(packages).filter(([, entry]) => entry.uses.includes(mode) && !isPresent(entry));
  if (missing.length === 0) return;
  const names = missing.map(([name]) => name);
  const command = `sudo apt-get update && sudo apt-get install -y ${names.join(' ')}`;
  const prefix = elevation();
  const needed = missing.some(([, entry]) => !entry.optional);
  if (prefix !== null && install(prefix, names)) return;
  const sentence = `This machine lacks ${names.join(', ')}. Type:\n\n    ${command}\n\nand run the command again.`;
  if (needed) fail(sentence);
  console.error(`Going on without ${names.join(', ')} (to have it: ${command}).`);
}

function isPresent(entry) {
  if (entry.file !== undefined) return existsSync(entry.file);
  const folders = `${process.env.PATH ?? ''}${delimiter}/usr/sbin${delimiter}/usr/bin`.split(delimiter);
  return folders.some((folder) => folder !== '' && existsSync(`${folder}/${entry.program}`));
}

/** The words to put before a command to run it as root, or null when that cannot be had without a password. */
function elevation() {
  if (!existsSync('/usr/bin/apt-get')) return null;
  if (process.getuid?.() === 0) return [];
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? ['sudo', '-n'] : null;
}

function install(prefix, names) {
  console.error(`Installing Debian packages: ${names.join(' ')} ...`);
  if (aptInstall(prefix, names)) return true;
  console.error('Refreshing the package lists (apt-get update) ...');
  run(prefix, ['apt-get', 'update', '-qq']);
  return aptInstall(prefix, names);
}

/**
 * While apt runs, a policy-rc.d that says 101 keeps the packages' services from starting on their default ports; it is
 * removed again, and one that is already there stays as it is.
 */
function aptInstall(prefix, names) {
  const script = `
    set -e
    if [ ! -e /usr/sbin/policy-rc.d ]; then
      trap 'rm -f /usr/sbin/policy-rc.d' EXIT
      printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
      chmod 755 /usr/sbin/policy-rc.d
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2`;
  return run(prefix, ['sh', '-c', script, 'sh', ...names]);
}

function run(prefix, words) {
  const [program, ...args] = [...prefix, ...words];
  return spawnSync(program, args, { stdio: ['ignore', 2, 2] }).status === 0;
}

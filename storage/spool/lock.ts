import { spawn } from 'node:child_process';
import { type FileHandle, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { HocError } from '../schema/errors.ts';
import { readIfPresent } from './atomic-file.ts';

const lockFile = 'lock';
const retryEveryMs = 50;

/** A held lock. It ends with `release`, or with the process, however that dies. */
export interface SpoolLock {
  release(): Promise<void>;
}

/**
 * Takes the exclusive lock of a spool's folder, by running util-linux `flock -n 3` on a descriptor of ours: flock(2) belongs
 * to the open file, so it stays with us when that child ends, and the kernel frees it when we die. Tries again for `waitMs`,
 * since `isSpoolLocked` of another process holds it for an instant. Throws `conflict` naming the holder as far as known.
 */
export async function takeSpoolLock(folder: string, waitMs: number): Promise<SpoolLock> {
  const file = await open(join(folder, lockFile), 'a+', 0o600);
  try {
    const giveUpAt = performance.now() + waitMs;
    while (!(await tryFlock(file.fd))) {
      if (performance.now() >= giveUpAt) throw await lockedBySomeone(folder);
      await new Promise((resolve) => setTimeout(resolve, retryEveryMs));
    }
    await file.truncate(0);
    await file.appendFile(
      JSON.stringify({ pid: process.pid, host: hostname(), since: new Date(Date.now()).toISOString() }),
    );
  } catch (error) {
    await file.close();
    throw error;
  }
  return { release: () => file.close() };
}

/**
 * Whether some process holds the spool in `folder` (`<dir>/<proxy id>`). It takes a shared lock for an instant to find out.
 * A folder that was never opened is not locked.
 */
export async function isSpoolLocked(folder: string): Promise<boolean> {
  let file: FileHandle;
  try {
    file = await open(join(folder, lockFile), 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  try {
    return !(await tryFlock(file.fd, '-s'));
  } finally {
    await file.close();
  }
}

/** Runs `flock -n 3`; false where another holds the lock. Throws `engine_unavailable` where flock cannot run at all. */
async function tryFlock(fd: number, ...flags: string[]): Promise<boolean> {
  const child = spawn('flock', [...flags, '-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  }).catch((cause: unknown) => {
    throw flockFailed(cause);
  });
  if (exitCode === 0) return true;
  if (exitCode === 1) return false;
  throw flockFailed(new Error(`flock ended with ${String(exitCode)}`));
}

function flockFailed(cause: unknown): HocError {
  return new HocError({
    code: 'engine_unavailable',
    publicMessage: 'The spool cannot be locked: `flock` of util-linux is missing or failed on this file system.',
    cause,
  });
}

async function lockedBySomeone(folder: string): Promise<HocError> {
  const holder = (await readIfPresent(join(folder, lockFile)))?.trim();
  return new HocError({
    code: 'conflict',
    publicMessage: `The spool ${folder} is in use by another proxy (${holder ? `holder ${holder}` : 'holder unknown'}). Give each proxy its own HOC_PROXY_ID.`,
  });
}

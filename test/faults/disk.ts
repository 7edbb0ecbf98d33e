import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A disk of a certain size. */
export interface SmallDisk {
  path: string;
  /** Takes all room that is left. */
  fill(): void;
  /** Gives it back. */
  free(): void;
  remove(): void;
}

/** Mounts a tmpfs of so many bytes; null where that is not allowed (it needs root). */
export function mountSmallDisk(bytes: number, at?: string): SmallDisk | null {
  const path = at ?? mkdtempSync(join(tmpdir(), 'hoc-disk-'));
  mkdirSync(path, { recursive: true });
  const options = ['-t', 'tmpfs', '-o', `size=${bytes},mode=0700`, 'tmpfs', path];
  if (spawnSync('mount', options).status !== 0) return null;
  const ballast = join(path, 'test-ballast');
  return {
    path,
    fill() {
      try {
        writeFileSync(ballast, Buffer.alloc(bytes));
      } catch (error) {
        // What fits was written: that is what was wanted.
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    },
    free: () => unlinkSync(ballast),
    remove() {
      spawnSync('umount', ['-l', path]);
      rmSync(path, { recursive: true, force: true });
    },
  };
}

export type DiskFailure = 'EIO' | 'ENOSPC';

/** Whether system calls of another process can be made to fail here. */
export function canInjectFailures(): boolean {
  return spawnSync('strace', ['-o', '/dev/null', '-e', 'trace=none', 'true']).status === 0;
}

/**
 * Makes writes and fsyncs of a process to these very files fail from now on; resolves when it works, with how to end it.
 * Uses strace, which slows the process's system calls while it is attached.
 */
export async function injectDiskFailure(input: {
  pid: number;
  paths: readonly string[];
  failure: DiskFailure;
  calls?: readonly string[];
}): Promise<() => Promise<void>> {
  const calls = (input.calls ?? ['write', 'pwrite64', 'writev', 'pwritev', 'fsync', 'fdatasync']).join(',');
  const files = input.paths.flatMap((path) => ['-P', path]);
  const words = ['-f', '-p', String(input.pid), '-o', '/dev/null', ...files];
  const child = spawn('strace', [...words, '-e', `trace=${calls}`, '-e', `inject=${calls}:error=${input.failure}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stderr });
  const attached = new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      if (/attached/.test(line)) resolve();
    });
    ended.then(() => reject(new Error('strace could not attach.')));
  });
  await attached;
  return async () => {
    child.kill('SIGINT');
    await ended;
  };
}

import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { RecordedChild } from './leftovers.ts';
import type { RunFile } from './run-file.ts';

const entry = fileURLToPath(new URL('../main.js', import.meta.url));

/** One `hoc start` under test. */
export interface Started {
  process: ChildProcess;
  /** Its one line on stdout; rejects with stderr when it ends before. */
  ready: Promise<Record<string, unknown>>;
  /** Resolves when it has ended. */
  ended: Promise<{ code: number | null; stderr: string }>;
}

export interface Scratch {
  /** The data folder. */
  data: string;
  start(args?: readonly string[], env?: NodeJS.ProcessEnv): Started;
  runFile(): RunFile;
  children(): RecordedChild[];
  /** Kills what is left and removes everything, PostgreSQL's folder outside too. */
  remove(): void;
}

/** A user other than root who can read this checkout; undefined when we are not root or there is no such user. */
export function findOrdinaryUser(): number | undefined {
  const nobody = 65534;
  const words = [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', 'test', '-r', entry];
  return process.getuid?.() === 0 && spawnSync('setpriv', words).status === 0 ? nobody : undefined;
}

/** A data folder of mode 0700 in which a test can start HOC; `uid` runs it as that user (needs root). */
export function makeScratch(uid?: number): Scratch {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'hoc-start-')));
  const data = join(root, 'data');
  mkdirSync(data, { mode: 0o700 });
  if (uid !== undefined) for (const folder of [root, data]) chownSync(folder, uid, uid);
  const started: ChildProcess[] = [];
  const read = <T>(name: string): T => JSON.parse(readFileSync(join(data, name), 'utf8')) as T;
  return {
    data,
    start(args = [], env = {}) {
      const ports = ['--proxy-port', '0', '--console-port', '0', '--admin-port', '0'];
      const words = [
        process.execPath,
        entry,
        'start',
        '--json',
        '--data',
        data,
        ...(args.includes('--proxy-port') ? [] : ports),
        ...args,
      ];
      const asUser = uid === undefined ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
      const one = startOne([...asUser, ...words], env);
      started.push(one.process);
      return one;
    },
    runFile: () => read('run.json'),
    children: () => read('children.json'),
    remove() {
      for (const child of started) child.kill('SIGKILL');
      const outside = keptOutside(data);
      rmSync(root, { recursive: true, force: true });
      if (outside !== null) rmSync(outside, { recursive: true, force: true });
    },
  };
}

/** Runs the command line once. */
export function runHoc(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [entry, ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

/** Polls until the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

function startOne(words: readonly string[], env: NodeJS.ProcessEnv): Started {
  const [program = 'node', ...args] = words;
  const child = spawn(program, args, { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk);
  });
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, stderr }));
  });
  const ready = new Promise<Record<string, unknown>>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) =>
      resolve(JSON.parse(line) as Record<string, unknown>),
    );
    ended.then(({ code }) => reject(new Error(`hoc start ended with ${code}: ${stderr}`)));
  });
  ready.catch(() => undefined);
  return { process: child, ready, ended };
}

function keptOutside(data: string): string | null {
  try {
    const { folder } = JSON.parse(readFileSync(join(data, 'postgres.json'), 'utf8')) as { folder: string };
    return folder.startsWith(data) ? null : dirname(folder);
  } catch {
    // It never came so far.
    return null;
  }
}

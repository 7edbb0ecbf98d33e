import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';

/** A process that the bench started. */
export interface BenchChild {
  readonly pid: number;
  /** The first line of its stdout, parsed. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** Sends one line to its stdin and resolves with the next line of its stdout. One at a time. */
  ask(line: string): Promise<string>;
  /** Ends it with SIGTERM (and with the end of its stdin), and resolves when it is gone; kills it after 30 s. */
  stop(): Promise<void>;
}

export interface ChildStart {
  program: string;
  args: readonly string[];
  env?: Readonly<Record<string, string | undefined>>;
  /** Whether it prints a JSON line when it is ready; if not, it counts as ready at once. */
  speaks: boolean;
  readyTimeoutMs?: number;
}

/** Children that live: one that was still starting when the bench ends is known to nobody else. */
const living = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of living) child.kill('SIGTERM');
});

/** Starts a process and waits until it is ready. Rejects, with what it wrote to stderr, where it ends or is silent for too long. */
export async function startChild(start: ChildStart): Promise<BenchChild> {
  const child = spawn(start.program, start.args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(start.env && { env: start.env }),
  });
  living.add(child);
  child.once('exit', () => living.delete(child));
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => {
    errors.push(chunk);
    if (errors.length > 50) errors.shift();
  });
  const lines = createInterface({ input: child.stdout });
  const gone = new Promise<never>((_, reject) => {
    const why = (what: string): Error =>
      new Error(
        `${start.program} ${start.args.join(' ')} ${what}: ${Buffer.concat(errors).toString('utf8').slice(-2000)}`,
      );
    child.once('error', (error) => reject(why(error.message)));
    child.once('exit', (code, signal) => reject(why(`ended (${code ?? signal})`)));
    if (start.speaks) setTimeout(() => reject(why('was not ready in time')), start.readyTimeoutMs ?? 30_000).unref();
  });
  gone.catch(() => undefined);
  const ready = start.speaks
    ? (JSON.parse(await Promise.race([nextLine(lines), gone])) as Record<string, unknown>)
    : {};
  return {
    pid: child.pid ?? 0,
    ready,
    ask: (line) => {
      child.stdin.write(`${line}\n`);
      return Promise.race([nextLine(lines), gone]);
    },
    stop: () => stopChild(child),
  };
}

function nextLine(lines: Interface): Promise<string> {
  return new Promise((resolve) => lines.once('line', resolve));
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = setTimeout(() => child.kill('SIGKILL'), 30_000);
  child.kill('SIGTERM');
  child.stdin?.end();
  await ended;
  clearTimeout(kill);
}

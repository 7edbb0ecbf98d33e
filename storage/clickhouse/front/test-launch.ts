import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface LaunchedFront {
  url: string;
  adminUrl: string;
  pid: number;
  /** SIGTERM, and resolves with the exit code once the process is gone. */
  stop(): Promise<number | null>;
  /** SIGKILL, and resolves once the process is gone. */
  kill(): Promise<void>;
}

/**
 * Starts the real front as a child process on free loopback ports, for tests and benchmarks. `path` is its data folder.
 * Rejects with what it wrote on standard error when it ends before it is ready. It ends with this process.
 */
export async function launchFront(options: {
  path: string;
  nodeArgs?: readonly string[];
  env?: Readonly<Record<string, string>>;
}): Promise<LaunchedFront> {
  const main = new URL('./main.js', import.meta.url).href;
  const script = `import(${JSON.stringify(main)}).then((m) => m.runClickHouseFront(process.env)).catch((e) => { console.error(e.message); process.exitCode = 1; })`;
  const child = spawn(process.execPath, [...(options.nodeArgs ?? []), '-e', script], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      HOC_CLICKHOUSE_LISTEN: '127.0.0.1:0',
      HOC_ADMIN_LISTEN: '127.0.0.1:0',
      HOC_CLICKHOUSE_PATH: options.path,
      HOC_PARENT_PIPE: '1',
      UV_THREADPOOL_SIZE: '8',
      ...options.env,
    },
  });
  const exited = once(child, 'exit');
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString('utf8')).slice(-4000);
  });
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line').then(([text]) => String(text)),
    exited.then(() => {
      throw new Error(`The ClickHouse front did not start: ${complaint}`);
    }),
  ]);
  const ready = JSON.parse(line) as { listen: { clickhouse: string; admin: string } };
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await exited;
    }
    return child.exitCode;
  };
  return {
    url: ready.listen.clickhouse,
    adminUrl: ready.listen.admin,
    pid: child.pid ?? 0,
    stop: () => end('SIGTERM'),
    kill: async () => {
      await end('SIGKILL');
    },
  };
}

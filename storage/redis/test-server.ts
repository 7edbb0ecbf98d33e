import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectRedis, waitForRedis } from './connection.ts';

export interface RedisServer {
  url: string;
  port: number;
  /** Stops the process where it stands (SIGSTOP) or lets it go on (SIGCONT). */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  /** Ends the process with SIGKILL; what it wrote to its folder stays. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, on the same port and in the same folder; `empty` throws its data away. */
  restart(options?: { empty: boolean }): Promise<void>;
  stop(): Promise<void>;
}

/** Ends the server when our end of its standard input closes, however this process ends. */
const untilParentIsGone = 'redis-server "$@" & server=$!; cat > /dev/null; kill -9 $server; wait $server 2> /dev/null';

/** A real redis-server of its own for a test, on a free port of the loopback address, with data in a temporary folder. */
export async function startRedisServer(extra: readonly string[] = []): Promise<RedisServer> {
  const port = await findFreePort();
  const dir = await mkdtemp(join(tmpdir(), 'hoc-redis-'));
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--loglevel', 'warning'];
  const begin = () => startProcess(port, [...args, ...extra]);
  let { child, pid } = await begin();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    signal: (name) => void process.kill(pid, name),
    kill: () => endProcess(child),
    async restart(options = { empty: false }) {
      if (options.empty) {
        await rm(dir, { recursive: true, force: true });
        await mkdir(dir);
      }
      ({ child, pid } = await begin());
    },
    async stop() {
      await endProcess(child);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Starts the process and waits until it answers. */
async function startProcess(port: number, args: readonly string[]): Promise<{ child: ChildProcess; pid: number }> {
  const child = spawn('sh', ['-c', untilParentIsGone, 'sh', ...args], { stdio: ['pipe', 'ignore', 'ignore'] });
  const redis = connectRedis(`redis://127.0.0.1:${port}`);
  try {
    await waitForRedis(redis, 10_000);
    return { child, pid: Number(/^process_id:(\d+)/m.exec(await redis.info('server'))?.[1]) };
  } finally {
    redis.disconnect();
  }
}

function endProcess(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.stdin?.end();
  });
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

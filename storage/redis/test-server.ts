import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectRedis, waitForRedis } from './connection.ts';

export interface RedisServer {
  url: string;
  /** Stops the process where it stands (SIGSTOP) or lets it go on (SIGCONT). */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  stop(): Promise<void>;
}

/** Ends the server when our end of its standard input closes, however this process ends. */
const untilParentIsGone = 'redis-server "$@" & server=$!; cat > /dev/null; kill -9 $server; wait $server 2> /dev/null';

/** A real redis-server of its own for a test, on a free port of the loopback address, with data in a temporary folder. */
export async function startRedisServer(extra: readonly string[] = []): Promise<RedisServer> {
  const port = await findFreePort();
  const dir = await mkdtemp(join(tmpdir(), 'hoc-redis-'));
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--loglevel', 'warning'];
  const child = spawn('sh', ['-c', untilParentIsGone, 'sh', ...args, ...extra], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const url = `redis://127.0.0.1:${port}`;
  const redis = connectRedis(url);
  let pid = 0;
  try {
    await waitForRedis(redis, 10_000);
    pid = Number(/^process_id:(\d+)/m.exec(await redis.info('server'))?.[1]);
  } finally {
    redis.disconnect();
  }
  return {
    url,
    signal: (name) => void process.kill(pid, name),
    async stop() {
      await endProcess(child);
      await rm(dir, { recursive: true, force: true });
    },
  };
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

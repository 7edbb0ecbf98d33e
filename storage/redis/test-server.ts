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

/** A real redis-server of its own for a test, on a free port of the loopback address, with data in a temporary folder. */
export async function startRedisServer(extra: readonly string[] = []): Promise<RedisServer> {
  const port = await findFreePort();
  const dir = await mkdtemp(join(tmpdir(), 'hoc-redis-'));
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--loglevel', 'warning'];
  const child = spawn('redis-server', [...args, ...extra], { stdio: 'ignore' });
  const url = `redis://127.0.0.1:${port}`;
  const redis = connectRedis(url);
  try {
    await waitForRedis(redis, 10_000);
  } finally {
    redis.disconnect();
  }
  return {
    url,
    signal: (name) => void child.kill(name),
    async stop() {
      child.kill('SIGCONT');
      await endProcess(child);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function endProcess(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
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

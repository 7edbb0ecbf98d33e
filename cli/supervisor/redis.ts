import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { ChildSpec } from './child.ts';

export interface RedisSettings {
  /** `redis` counts limits and carries live state; `queue` is BullMQ's. */
  name: 'redis' | 'queue';
  /** The data folder. */
  dir: string;
  port: number;
  password: string;
  env: Readonly<Record<string, string>>;
}

/** The URL of the child; it holds the password. */
export function redisUrl(settings: Pick<RedisSettings, 'port' | 'password'>): string {
  return `redis://:${settings.password}@127.0.0.1:${settings.port}`;
}

/**
 * A redis-server as a child: loopback only, append-only file, never evicting. The password stands in its configuration
 * file (0600), not on its command line. The kernel ends it with SIGTERM when we are killed.
 */
export function redisSpec(settings: RedisSettings): ChildSpec {
  const { name, dir, port, password, env } = settings;
  const folder = join(dir, name);
  const file = join(folder, 'redis.conf');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(file, configurationText(port, password), { mode: 0o600 });
  return {
    name,
    command: () => ({
      program: 'setpriv',
      args: ['--pdeathsig=TERM', 'redis-server', './redis.conf'],
      env,
      cwd: folder,
    }),
    ready: () => answersPing(port, password),
    readyTimeoutMs: 300_000,
    stopSignal: 'SIGTERM',
    stopTimeoutMs: 30_000,
  };
}

function configurationText(port: number, password: string): string {
  return [
    'bind 127.0.0.1',
    `port ${port}`,
    'protected-mode yes',
    `requirepass ${password}`,
    'daemonize no',
    'appendonly yes',
    'appendfsync everysec',
    'save ""',
    'maxmemory-policy noeviction',
    'loglevel notice',
    '',
  ].join('\n');
}

/** Whether a Redis with this password answers there; while it loads its file it answers with an error. */
function answersPing(port: number, password: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    let answer = '';
    const end = (ready: boolean): void => {
      socket.destroy();
      resolve(ready);
    };
    socket.setTimeout(1000, () => end(false));
    socket.once('error', () => end(false));
    socket.once('connect', () => socket.write(`AUTH ${password}\r\nPING\r\n`));
    socket.on('data', (bytes) => {
      answer += bytes.toString('latin1');
      if (answer.split('\r\n').length > 2) end(answer === '+OK\r\n+PONG\r\n');
    });
    socket.once('close', () => resolve(false));
  });
}

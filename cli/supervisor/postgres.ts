import { execFile } from 'node:child_process';
import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HocError } from '../../storage/schema/errors.ts';
import type { ChildSpec } from './child.ts';
import { type PostgresHome, postgresUid } from './postgres-home.ts';
import { readCommand } from './process-table.ts';

const user = 'hoc';
const database = 'hoc';

export interface PostgresSettings {
  home: PostgresHome;
  port: number;
  password: string;
  env: Readonly<Record<string, string>>;
}

/** The URL of the child's database; it holds the password. */
export function postgresUrl(settings: Pick<PostgresSettings, 'port' | 'password'>): string {
  return `postgres://${user}:${settings.password}@127.0.0.1:${settings.port}/${database}`;
}

/**
 * Makes the cluster and its database on the first start (0.7 s); does nothing later. A first start that was interrupted
 * is begun anew: the cluster gets its final name only when it is complete. Throws HocError `engine_unavailable` with what
 * initdb said.
 */
export async function preparePostgres(settings: PostgresSettings): Promise<void> {
  const { home, password } = settings;
  const data = join(home.folder, 'data');
  if (existsSync(data)) return removeStaleLock(data);
  const next = join(home.folder, 'data.next');
  const passwordFile = join(home.folder, 'initdb.password');
  rmSync(next, { recursive: true, force: true });
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (home.asUser.length > 0) chownSync(passwordFile, postgresUid, postgresUid);
  const bin = join(home.native, 'bin');
  const options = [
    '--encoding=UTF8',
    '--locale=C',
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    `--username=${user}`,
  ];
  try {
    await runAs(settings, [join(bin, 'initdb'), '--pgdata', next, ...options]);
    const single = [join(bin, 'postgres'), '--single', '-D', next, 'postgres'];
    await runAs(settings, single, `CREATE DATABASE ${database}\n`);
  } catch (cause) {
    const said = (cause as { stderr?: string }).stderr?.trim().split('\n').slice(-3).join(' ') ?? String(cause);
    throw new HocError({
      code: 'engine_unavailable',
      publicMessage: `PostgreSQL could not make its data directory in ${home.folder}: ${said}`,
      cause,
    });
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(next, data);
}

/** PostgreSQL as a child: loopback only, no socket file, ended by SIGINT (its fast shutdown), also when we are killed. */
export function postgresSpec(settings: PostgresSettings): ChildSpec {
  const { home, port, env } = settings;
  const data = join(home.folder, 'data');
  const options = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: '80',
    shared_buffers: '64MB',
    timezone: 'UTC',
    log_timezone: 'UTC',
    jit: 'off',
  };
  const server = [join(home.native, 'bin/postgres'), '-D', data];
  const settingWords = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const prefix = home.asUser.length > 0 ? home.asUser : ['setpriv'];
  const [program = 'setpriv', ...args] = [...prefix, '--pdeathsig=INT', ...server, ...settingWords];
  return {
    name: 'postgres',
    command: () => ({ program, args, env, cwd: '/' }),
    ready: (pid) => Promise.resolve(saysReady(data, pid)),
    readyTimeoutMs: 300_000,
    stopSignal: 'SIGINT',
    stopTimeoutMs: 60_000,
    forceSignal: 'SIGQUIT',
  };
}

/** The server writes its pid and state into lines 1 and 8 of postmaster.pid; `pg_ctl -w` looks there too. */
function saysReady(data: string, pid: number): boolean {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
    return lines[0] === String(pid) && lines[7]?.trim() === 'ready';
  } catch {
    // Not written yet.
    return false;
  }
}

/**
 * Removes postmaster.pid when the pid in it is no PostgreSQL: after a container restart small pids are used again, and
 * the server would take a stranger for its other self. We hold the folder's lock, so no other supervisor is starting one.
 */
function removeStaleLock(data: string): void {
  const file = join(data, 'postmaster.pid');
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
  if (!readCommand(pid).includes('postgres')) rmSync(file, { force: true });
}

/** Runs a PostgreSQL program as the right user; the kernel ends it with us. Rejects with what it said on stderr. */
async function runAs(
  { home, env }: Pick<PostgresSettings, 'home' | 'env'>,
  words: readonly string[],
  input = '',
): Promise<void> {
  const prefix = home.asUser.length > 0 ? home.asUser : ['setpriv'];
  const [program = 'setpriv', ...args] = [...prefix, '--pdeathsig=KILL', ...words];
  const running = promisify(execFile)(program, args, { env, cwd: '/' });
  running.child.stdin?.end(input);
  await running;
}

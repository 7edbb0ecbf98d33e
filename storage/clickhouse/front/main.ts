import { access, constants, mkdir } from 'node:fs/promises';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { pino } from 'pino';
import { HocError } from '../../schema/errors.ts';
import { createAdminServer } from './admin.ts';
import { openBodyFolder } from './body.ts';
import { openEngine } from './engine.ts';
import { createFrontMetrics } from './metrics.ts';
import { createFront, listen } from './server.ts';

const defaultMemoryBytes = 2 * 1024 ** 3;
/** Lanes hold four threads of Node's pool while they query; files, gzip and KILL need some of their own. */
const threadPoolSize = 8;
const graceMs = 30_000;

/**
 * Runs the embedded ClickHouse (chDB) behind its HTTP interface until SIGTERM, SIGINT, or (HOC_PARENT_PIPE=1) the end of
 * standard input; then finishes running queries and resolves.
 *
 * Reads HOC_CLICKHOUSE_LISTEN, HOC_CLICKHOUSE_PATH, HOC_CLICKHOUSE_MEMORY_BYTES, HOC_CLICKHOUSE_PASSWORD (optional) and
 * HOC_ADMIN_LISTEN (optional). Start it with UV_THREADPOOL_SIZE=8 or more. Throws HocError `configuration_invalid` or
 * `conflict` (the folder is in use) before it listens.
 */
export async function runClickHouseFront(env: NodeJS.ProcessEnv): Promise<void> {
  const log = pino({ name: 'clickhouse', level: env.HOC_LOG_LEVEL ?? 'info' }, pino.destination(2));
  const settings = readEnvironment(env);
  if (Number(env.UV_THREADPOOL_SIZE ?? 4) < threadPoolSize) log.warn('UV_THREADPOOL_SIZE should be 8 or more');
  await openFolder(settings.path);
  const engine = openEngine({ path: join(settings.path, 'engine'), memoryBytes: settings.memoryBytes });
  const metrics = createFrontMetrics(engine);
  const bodies = await openBodyFolder(join(settings.path, 'incoming'));
  const stopping = stopSignal(env);
  const front = createFront({
    engine,
    bodies,
    metrics,
    password: settings.password,
    onFatal: (code) => {
      log.fatal({ code }, 'the engine aborted; this process ends so that a new one can take over');
      process.exit(1);
    },
  });
  const admin = settings.adminListen === null ? null : createAdminServer(engine, metrics);
  const urls: Record<string, string> = { clickhouse: await listen(front.server, settings.listen) };
  if (admin !== null && settings.adminListen !== null) urls.admin = await listen(admin, settings.adminListen);
  process.stdout.write(`${JSON.stringify({ ready: true, process: 'clickhouse', listen: urls })}\n`);
  log.info({ reason: await stopping }, 'stopping');
  await front.stop(graceMs);
  engine.close();
  if (admin !== null) await closeServer(admin);
}

interface FrontSettings {
  listen: string;
  path: string;
  memoryBytes: number;
  password: string | null;
  adminListen: string | null;
}

function readEnvironment(env: NodeJS.ProcessEnv): FrontSettings {
  const memoryBytes = Number(env.HOC_CLICKHOUSE_MEMORY_BYTES ?? defaultMemoryBytes);
  if (!Number.isSafeInteger(memoryBytes) || memoryBytes < 256 * 1024 ** 2) {
    throw invalid('HOC_CLICKHOUSE_MEMORY_BYTES must be a whole number of bytes, 256 MiB or more');
  }
  const listenAddress = env.HOC_CLICKHOUSE_LISTEN ?? '';
  if (!/^.+:\d+$/.test(listenAddress)) throw invalid('HOC_CLICKHOUSE_LISTEN must be host:port');
  if (!env.HOC_CLICKHOUSE_PATH) throw invalid('HOC_CLICKHOUSE_PATH must name the data folder');
  const password = env.HOC_CLICKHOUSE_PASSWORD || null;
  return {
    listen: listenAddress,
    path: env.HOC_CLICKHOUSE_PATH,
    memoryBytes,
    password,
    adminListen: env.HOC_ADMIN_LISTEN || null,
  };
}

function invalid(publicMessage: string): HocError {
  return new HocError({ code: 'configuration_invalid', publicMessage });
}

async function openFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw invalidFolder(path, cause);
  }
}

function invalidFolder(path: string, cause: unknown): HocError {
  const publicMessage = `The ClickHouse data folder ${path} cannot be made or written; check its owner and mode`;
  return new HocError({ code: 'configuration_invalid', publicMessage, cause });
}

/** Resolves with the reason to stop: a signal, or the closed pipe of the process that started this one. */
function stopSignal(env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve) => {
    const stop = (reason: string): void => {
      // An open standard input would keep this process alive after everything else has ended.
      process.stdin.destroy();
      resolve(reason);
    };
    process.once('SIGTERM', () => stop('SIGTERM'));
    process.once('SIGINT', () => stop('SIGINT'));
    if (env.HOC_PARENT_PIPE !== '1') return;
    process.stdin.once('end', () => stop('parent pipe closed'));
    process.stdin.once('error', () => stop('parent pipe broken'));
    process.stdin.once('close', () => stop('parent pipe closed'));
    process.stdin.resume();
  });
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

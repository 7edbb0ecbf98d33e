import { randomBytes } from 'node:crypto';
import type { FastifyBaseLogger } from 'fastify';
import { pino } from 'pino';
import { createKeyHasher } from '../policy/access/index.ts';
import {
  type ClickHouse,
  computeRollupDays,
  computeRollupMinutes,
  connectClickHouse,
  markRunTouches,
  pingClickHouse,
  readAbandoned,
  readDecisions,
  readPendingMigrations as readPendingClickHouseMigrations,
  readRollup,
  readRollupsFreshness,
  readRun,
  readRunsPage,
  readRunTouches,
  readSequenceGaps,
  renewExpiry,
  setRetention,
  setSystemRetention,
  streamRuns,
  sumCharges,
  touchUncoveredMinutes,
} from '../storage/clickhouse/index.ts';
import { connectPostgres, createControlStore, readPendingMigrations } from '../storage/postgres/index.ts';
import { type Environment, readEnvironment, type Variables } from '../storage/process/environment.ts';
import { announceReady, waitForEnd } from '../storage/process/lifecycle.ts';
import { createQueue, createWorker } from '../storage/queue/index.ts';
import {
  connectRedis,
  createManifestChannel,
  invalidateEpoch,
  type Redis,
  readCounterState,
  readCounters,
  readEpoch,
  readLive,
  readPersistence,
  restoreCounters,
  watchServer,
  writeEpochIfAbsent,
} from '../storage/redis/index.ts';
import { HocError } from '../storage/schema/errors.ts';
import { openSecret, readMasterKey, readNodePublicKey, sealSecret, sealToNode } from '../storage/vault/index.ts';
import { keepCounters } from './jobs/counters.ts';
import { controlQueue, createHandlers } from './jobs/index.ts';
import { keepRollups } from './jobs/rollups.ts';
import { keepSchedule } from './jobs/schedule.ts';
import { listenAll, withTimeout } from './listen.ts';
import { type ControlMetrics, createMetrics } from './metrics.ts';
import type { ControlContext } from './operations/context.ts';
import type { DiagnosisPort } from './operations/diagnose.ts';
import { readRetention } from './operations/retention/apply.ts';
import type { RetentionDays } from './operations/retention/ports.ts';
import { prepareControl } from './operations/snapshot/prepare.ts';
import { readSnapshotKey } from './operations/snapshot/signature.ts';
import { createAdminServer } from './routes/admin.ts';
import { createServer } from './server.ts';

const needed = [
  'DATABASE_URL',
  'CLICKHOUSE_URL',
  'REDIS_URL',
  'QUEUE_REDIS_URL',
  'HOC_CONSOLE_LISTEN',
  'HOC_ADMIN_LISTEN',
  'HOC_MASTER_KEY',
  'HOC_SNAPSHOT_KEY',
  'HOC_KEY_HASH_SECRET',
] as const;

const drainMs = 10_000;
/** Longest stop: the drain, and a little for the engines. */
const stopMs = 13_000;
const readyTimeoutMs = 2_000;

type Settings = Record<(typeof needed)[number], string>;
type Log = FastifyBaseLogger;
type Drivers = ReturnType<typeof openDrivers>;

function openDrivers(settings: Settings, log: Log) {
  const onError = (engine: string) => (error: Error) => log.warn({ err: error, engine }, 'an engine connection failed');
  const db = connectPostgres(settings.DATABASE_URL, { onError: onError('postgres') });
  const redis = connectRedis(settings.REDIS_URL, { name: 'hoc-control', onError: onError('redis') });
  const clickhouse = connectClickHouse(settings.CLICKHOUSE_URL);
  const onQueueError = onError('queue');
  const queue = createQueue({ url: settings.QUEUE_REDIS_URL, name: controlQueue, onError: onQueueError });
  const store = createControlStore(db);
  const close = async (): Promise<void> => {
    await queue.close();
    redis.disconnect();
    await clickhouse.close();
    await store.close();
  };
  return { db, store, redis, clickhouse, queue, onQueueError, close };
}

/** Joins drivers to the ports of the operations. */
function createContext(
  settings: Settings,
  drivers: Drivers,
  telemetry: Pick<ControlContext, 'metrics' | 'log'> & { retentionDays: RetentionDays },
): ControlContext {
  const { store, redis, clickhouse, queue } = drivers;
  const masterKey = readMasterKey(settings.HOC_MASTER_KEY);
  return {
    ...telemetry,
    store,
    vault: {
      seal: (bound, secret) => sealSecret(masterKey, bound, secret),
      open: (bound, envelope) => openSecret(masterKey, bound, envelope),
      sealToNode,
      checkNodeKey: (publicKey) => void readNodePublicKey(publicKey),
    },
    channel: createManifestChannel(redis),
    epochs: {
      writeIfAbsent: async (tenant, epoch) => void (await writeEpochIfAbsent(redis, tenant, epoch)),
      read: (tenant) => readEpoch(redis, tenant),
    },
    counters: openCounters(redis),
    charges: {
      sum: (scope, query) => sumCharges(clickhouse, scope, query),
      abandoned: (scope, query) => readAbandoned(clickhouse, scope, query),
    },
    ...openRecords(clickhouse, telemetry.retentionDays),
    live: { read: () => readLive(redis) },
    jobs: queue,
    runs: {
      readPage: (scope, query) => readRunsPage(clickhouse, scope, query),
      read: (scope, runId) => readRun(clickhouse, scope, runId),
      stream: (scope) => streamRuns(clickhouse, scope),
      decisions: (scope, query) => readDecisions(clickhouse, scope, query),
    },
    hashKey: createKeyHasher(settings.HOC_KEY_HASH_SECRET),
    snapshotKey: readSnapshotKey(settings.HOC_SNAPSHOT_KEY),
    now: Date.now,
    randomHex: (bytes) => randomBytes(bytes).toString('hex'),
  };
}

/** What looks after recorded runs: rollups and retention. */
function openRecords(clickhouse: ClickHouse, days: RetentionDays): Pick<ControlContext, 'rollups' | 'retention'> {
  return {
    rollups: {
      touches: (limit) => readRunTouches(clickhouse, limit),
      computeMinutes: (minutes) => computeRollupMinutes(clickhouse, minutes),
      computeDays: (minutes) => computeRollupDays(clickhouse, minutes),
      mark: (touches) => markRunTouches(clickhouse, touches),
      freshness: () => readRollupsFreshness(clickhouse),
      touchUncovered: (range) => touchUncoveredMinutes(clickhouse, range),
      read: (scope, query) => readRollup(clickhouse, scope, query),
    },
    retention: {
      days,
      set: (table, kept) => setRetention(clickhouse, table, kept),
      renew: (table, kept) => renewExpiry(clickhouse, table, kept),
      setSystem: (kept) => setSystemRetention(clickhouse, kept),
    },
  };
}

function openCounters(redis: Redis): ControlContext['counters'] {
  const watch = watchServer(redis);
  return {
    server: async () => ({ ...(await watch.check()), persists: await readPersistence(redis) }),
    look: (tenant) => readCounterState(redis, tenant),
    invalidate: async (tenant, epoch) => void (await invalidateEpoch(redis, tenant, epoch)),
    restore: (input) => restoreCounters(redis, input),
    read: (tenant, items) => readCounters(redis, tenant, items),
  };
}

/** Host, port and path of an engine's URL: never its user, password or options, which can hold secrets. */
function readAddress(url: string): string {
  if (!URL.canParse(url)) return 'an address that is no URL';
  const { host, pathname } = new URL(url);
  return `${host}${pathname === '/' ? '' : pathname}`;
}

function createDiagnosis(settings: Settings, { db, redis, clickhouse, queue }: Drivers): DiagnosisPort {
  return {
    addresses: {
      postgres: readAddress(settings.DATABASE_URL),
      redis: readAddress(settings.REDIS_URL),
      queue: readAddress(settings.QUEUE_REDIS_URL),
      clickhouse: clickhouse.address,
    },
    pingRedis: async () => void (await redis.ping()),
    pingQueue: () => queue.ping(),
    pingClickHouse: () => pingClickHouse(clickhouse),
    pendingMigrations: () => readPendingMigrations(db),
    pendingClickHouseMigrations: () => readPendingClickHouseMigrations(clickhouse),
    sequences: () => readSequenceGaps(clickhouse),
  };
}

/** A running control process. */
export interface RunningControl {
  console: string;
  admin: string;
  /** Takes no new requests, lets those under way end (10 s at most), and closes every connection. */
  stop(): Promise<void>;
}

interface Parts {
  settings: Settings;
  env: Environment;
  log: Log;
  drivers: Drivers;
  context: ControlContext;
  metrics: ControlMetrics;
  diagnosis: DiagnosisPort;
}

async function serve(parts: Parts): Promise<RunningControl> {
  const { settings, env, log, drivers, context, metrics, diagnosis } = parts;
  const tokens = { node: env.optionalSecret('HOC_NODE_TOKEN'), bootstrap: env.optionalSecret('HOC_BOOTSTRAP_TOKEN') };
  const server = await createServer({ context, diagnosis, tokens, log, onAnswer: metrics.answered });
  const checkReady = () => withTimeout(context.store.ping(), readyTimeoutMs, 'PostgreSQL does not answer');
  const admin = createAdminServer({ metrics, checkReady });
  const urls = await listenAll([
    [server, env.listen('HOC_CONSOLE_LISTEN', settings.HOC_CONSOLE_LISTEN)],
    [admin, env.listen('HOC_ADMIN_LISTEN', settings.HOC_ADMIN_LISTEN)],
  ]);
  const worker = createWorker({
    url: settings.QUEUE_REDIS_URL,
    name: controlQueue,
    handlers: createHandlers(context, diagnosis),
    onError: drivers.onQueueError,
    onFailed: (job, error) => log.warn({ err: error, job: job.name, attempt: job.attempt }, 'a job failed'),
  });
  const endSchedule = keepSchedule(drivers.queue, log);
  const endCounters = keepCounters(context);
  const endRollups = keepRollups(context);
  const stop = async (): Promise<void> => {
    endSchedule();
    await endCounters();
    await endRollups();
    const cut = setTimeout(() => server.server.closeAllConnections(), drainMs);
    await server.close();
    clearTimeout(cut);
    await worker.close();
    await admin.close();
    await drivers.close();
  };
  return { console: urls[0] ?? '', admin: urls[1] ?? '', stop };
}

/**
 * Starts control: state, jobs, console API, admin address. Refuses to start with `not_ready` where migrations are missing
 * (`hoc migrate` runs them), and with `configuration_invalid` where the environment is incomplete.
 */
export async function startControl(variables: Variables): Promise<RunningControl> {
  const env = readEnvironment(variables);
  const settings = env.all(needed);
  const log: FastifyBaseLogger = pino(
    { name: 'control', level: env.optional('HOC_LOG_LEVEL') ?? 'info' },
    pino.destination({ dest: 2, sync: true }),
  );
  const drivers = openDrivers(settings, log);
  try {
    const metrics = createMetrics();
    const retentionDays = readRetention((name) => env.optional(`HOC_RETENTION_DAYS_${name}`));
    const context = createContext(settings, drivers, { metrics, log, retentionDays });
    const diagnosis = createDiagnosis(settings, drivers);
    const pending = await diagnosis.pendingMigrations();
    if (pending.length > 0) {
      const publicMessage = `Migrations have not run, use hoc migrate: ${pending.join(', ')}`;
      throw new HocError({ code: 'not_ready', publicMessage });
    }
    await prepareControl(context, { serviceToken: env.optionalSecret('HOC_SERVICE_TOKEN') });
    return await serve({ settings, env, log, drivers, context, metrics, diagnosis });
  } catch (error) {
    await drivers.close();
    throw error;
  }
}

/**
 * Runs control until SIGTERM or SIGINT (or, with HOC_PARENT_PIPE=1, until its standard input closes), then ends cleanly.
 * Prints one JSON line when it is ready.
 */
export async function runControl(variables: Variables): Promise<void> {
  const control = await startControl(variables);
  const ended = waitForEnd(readEnvironment(variables).optional('HOC_PARENT_PIPE') === '1');
  announceReady('control', { console: control.console, admin: control.admin });
  await ended;
  // An engine that ended in the same moment can leave a client waiting for it for ever; what control keeps is in Postgres.
  const late = setTimeout(() => process.exit(1), stopMs);
  await control.stop();
  clearTimeout(late);
}

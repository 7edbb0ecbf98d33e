import { join } from 'node:path';
import type { Addresses } from './addresses.ts';
import type { Fleet } from './fleet.ts';
import { adminListen, nodeSpec } from './node-processes.ts';
import { localUrl } from './ports.ts';
import { postgresSpec, postgresUrl, preparePostgres } from './postgres.ts';
import { placePostgres } from './postgres-home.ts';
import { redisSpec, redisUrl } from './redis.ts';
import type { Secrets } from './secrets.ts';

/** The four URLs every process of ours gets. They hold passwords. */
export interface EngineUrls {
  DATABASE_URL: string;
  CLICKHOUSE_URL: string;
  REDIS_URL: string;
  QUEUE_REDIS_URL: string;
}

export interface Engines {
  urls: EngineUrls;
  /** Settles when Postgres and ClickHouse are ready: what migrations need. */
  stores: Promise<void>;
  /** Settles when the Redis of the limits is ready: what the proxy needs. */
  redis: Promise<void>;
  /** Settles when all are ready. */
  all: Promise<void>;
  /** Where PostgreSQL keeps its data; null when it is not ours. */
  postgresFolder: string | null;
}

export interface EngineSettings {
  folder: string;
  fleet: Fleet;
  addresses: Addresses;
  secrets: Secrets;
  /** Environment of the engine processes. */
  env: Readonly<Record<string, string>>;
  /** Our own environment: an engine whose URL stands there is not started. */
  given: NodeJS.ProcessEnv;
}

/** Starts every engine that has no URL in the environment, all at once. The promises reject with the cause. */
export function startEngines(settings: EngineSettings): Engines {
  const { folder, addresses, secrets, given } = settings;
  const wanted = (name: keyof EngineUrls): boolean => (given[name] ?? '') === '';
  const choose = (name: keyof EngineUrls, own: string): string => (wanted(name) ? own : (given[name] ?? own));
  const { postgresPassword, redisPassword } = secrets;
  const urls: EngineUrls = {
    DATABASE_URL: choose('DATABASE_URL', postgresUrl({ port: addresses.postgres.port, password: postgresPassword })),
    CLICKHOUSE_URL: choose('CLICKHOUSE_URL', clickHouseUrl(settings)),
    REDIS_URL: choose('REDIS_URL', redisUrl({ port: addresses.redis.port, password: redisPassword })),
    QUEUE_REDIS_URL: choose('QUEUE_REDIS_URL', redisUrl({ port: addresses.queue.port, password: redisPassword })),
  };
  const home = wanted('DATABASE_URL') ? placePostgres(folder, secrets.installation) : null;
  // ClickHouse is the slowest to start, so it goes first.
  const clickhouse = wanted('CLICKHOUSE_URL') ? startClickHouse(settings) : Promise.resolve();
  const postgres = home === null ? Promise.resolve() : startPostgres(settings, home);
  const redis = wanted('REDIS_URL') ? startRedis(settings, 'redis') : Promise.resolve();
  const queue = wanted('QUEUE_REDIS_URL') ? startRedis(settings, 'queue') : Promise.resolve();
  const stores = Promise.all([clickhouse, postgres]).then(() => undefined);
  const all = Promise.all([stores, redis, queue]).then(() => undefined);
  // The caller awaits them in turn; the first failure must not count as unhandled meanwhile.
  for (const one of [stores, redis, all]) one.catch(() => undefined);
  return { urls, stores, redis, all, postgresFolder: home?.folder ?? null };
}

async function startPostgres(settings: EngineSettings, home: ReturnType<typeof placePostgres>): Promise<void> {
  const { addresses, secrets, env, fleet } = settings;
  const postgres = { home, port: addresses.postgres.port, password: secrets.postgresPassword, env };
  await preparePostgres(postgres);
  await fleet.start(postgresSpec(postgres));
}

async function startRedis(settings: EngineSettings, name: 'redis' | 'queue'): Promise<void> {
  const { folder, addresses, secrets, env, fleet } = settings;
  await fleet.start(redisSpec({ name, dir: folder, port: addresses[name].port, password: secrets.redisPassword, env }));
}

function clickHouseUrl({ addresses, secrets }: EngineSettings): string {
  return localUrl(addresses.clickhouse).replace('://', `://default:${secrets.clickhousePassword}@`);
}

async function startClickHouse(settings: EngineSettings): Promise<void> {
  const { folder, addresses, secrets, env, fleet } = settings;
  const own = {
    ...env,
    // Its lanes hold four threads of Node's pool while they query.
    UV_THREADPOOL_SIZE: '8',
    HOC_CLICKHOUSE_LISTEN: `${addresses.clickhouse.host}:${addresses.clickhouse.port}`,
    HOC_CLICKHOUSE_PATH: join(folder, 'clickhouse'),
    HOC_CLICKHOUSE_PASSWORD: secrets.clickhousePassword,
  };
  await fleet.start(
    nodeSpec({ name: 'clickhouse', env: (last) => ({ ...own, ...adminListen(last) }), stopTimeoutMs: 60_000 }),
  );
}

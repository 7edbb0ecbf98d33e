import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LaunchedFront, launchFront } from '../../storage/clickhouse/front/test-launch.ts';
import { type RedisServer, startRedisServer } from '../../storage/redis/test-server.ts';
import {
  type Installation,
  type InstallationInput,
  removeData,
  startInstallation,
  startProcess,
} from '../installation.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';

/** An engine that the test runs itself, behind a fault proxy. */
interface Faulty<Engine> {
  engine: Engine;
  link: FaultProxy;
}

/** An installation with a simulator as its provider `sim`, one tenant `acme` and one key. */
export interface Stage {
  hoc: Installation;
  /** How it was started, for a start after its supervisor was killed. */
  input: InstallationInput;
  simulator: string;
  tenant: 'acme';
  /** Of the key `app`. */
  key: string;
  /** Secrets of all keys by name. */
  keys: Readonly<Record<string, string>>;
  redis: Faulty<RedisServer> | null;
  clickhouse: Faulty<LaunchedFront> | null;
  stop(): Promise<void>;
}

export interface StageInput {
  /** What stands in the tenant's entry beside provider and key, indented by four. */
  tenant?: string;
  /** Names of further keys. */
  keys?: readonly string[];
  /** Further providers, each a line of YAML. */
  providers?: readonly string[];
  /** Further fields of the provider `sim`. */
  provider?: string;
  proxies?: number;
  env?: Record<string, string>;
  /** Runs this engine beside the installation, with a fault proxy in between. */
  redis?: boolean;
  /** Further words for that redis-server. */
  redisArgs?: readonly string[];
  clickhouse?: boolean;
  data?: string;
  /** Speed of the simulator; default instant. */
  speed?: 'instant' | 'realistic';
}

/** Starts it all; `stop` ends and removes it, also where the start failed half-way. */
export async function startStage(input: StageInput): Promise<Stage> {
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const act of undo.splice(0).reverse()) await act();
  };
  try {
    const stage = { ...(await raise(input, undo)), stop };
    undo.push(async () => {
      await stage.redis?.link.set({});
      await stage.clickhouse?.link.set({});
      // Of the moment: a test may have started it again.
      await stage.hoc.stop();
      removeData(stage.hoc.data);
    });
    return stage;
  } catch (error) {
    await stop();
    throw error;
  }
}

async function raise(input: StageInput, undo: (() => Promise<unknown>)[]): Promise<Omit<Stage, 'stop'>> {
  const names = ['app', ...(input.keys ?? [])];
  const keys = Object.fromEntries(names.map((name) => [name, randomBytes(24).toString('hex')]));
  const variableOf = (name: string): string => `HOC_KEY_${name.toUpperCase().replaceAll('-', '_')}`;
  const provider = await startProcess('proxy/simulator/main.js', 'runSimulator', {
    HOC_SIMULATOR_LISTEN: '127.0.0.1:0',
    HOC_SIMULATOR_SPEED: input.speed ?? 'instant',
  });
  undo.push(() => provider.stop());
  const simulator = provider.listen.simulator ?? '';
  const redis = input.redis ? await openRedis(input, undo) : null;
  const clickhouse = input.clickhouse ? await openClickHouse(undo) : null;
  const started: InstallationInput = {
    ...(input.data === undefined ? {} : { data: input.data }),
    proxies: input.proxies ?? 1,
    env: {
      ...Object.fromEntries(names.map((name) => [variableOf(name), keys[name] ?? ''])),
      ...(redis === null ? {} : { REDIS_URL: redis.link.url }),
      ...(clickhouse === null ? {} : { CLICKHOUSE_URL: clickhouse.link.url }),
      ...input.env,
    },
    yaml: `
tenants:
  - slug: acme
    providers:
      - { slug: sim, baseUrl: "${simulator}", allowPrivate: true, priceAs: simulator, askUsage: never${input.provider ?? ''} }
${(input.providers ?? []).map((provider) => `      - ${provider}\n`).join('')}    keys:
${names.map((name) => `      - { name: ${name}, secretEnv: ${variableOf(name)} }`).join('\n')}
${input.tenant ?? ''}
`,
  };
  const hoc = await startInstallation(started);
  return { hoc, input: started, simulator, tenant: 'acme', key: keys.app ?? '', keys, redis, clickhouse };
}

async function openRedis(input: StageInput, undo: (() => Promise<unknown>)[]): Promise<Faulty<RedisServer>> {
  const engine = await startRedisServer(input.redisArgs ?? ['--appendonly', 'yes']);
  undo.push(() => engine.stop());
  const link = await startFaultProxy(engine.url);
  undo.push(() => link.close());
  return { engine, link };
}

async function openClickHouse(undo: (() => Promise<unknown>)[]): Promise<Faulty<LaunchedFront>> {
  const path = mkdtempSync(join(tmpdir(), 'hoc-far-clickhouse-'));
  undo.push(async () => rmSync(path, { recursive: true, force: true }));
  const engine = await launchFront({ path });
  undo.push(() => engine.stop());
  const link = await startFaultProxy(engine.url);
  undo.push(() => link.close());
  return { engine, link };
}

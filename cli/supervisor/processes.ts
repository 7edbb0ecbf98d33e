import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Addresses } from './addresses.ts';
import type { ChildCommand, ChildSpec, Listening } from './child.ts';
import type { EngineUrls } from './engines.ts';
import { adminListen, nodeCommand, nodeSpec } from './node-processes.ts';
import { type Listen, localUrl } from './ports.ts';
import { type Secrets, snapshotPublicKey } from './secrets.ts';

/** Longest time the proxy gets for the streams that are open when it is asked to end. */
const drainMs = 600_000;

export interface ProcessSettings {
  folder: string;
  addresses: Addresses;
  urls: EngineUrls;
  secrets: Secrets;
  bootstrapToken: string;
  /** What of our environment they may see. */
  inherited: Readonly<Record<string, string>>;
}

export interface Processes {
  migrate: ChildCommand;
  /** Named `proxy`, `proxy-2` and so on. */
  proxies: readonly ChildSpec[];
  /** Control and the shippers load at once and run when their stores are migrated. */
  control(release: Promise<unknown>): ChildSpec;
  /** One for each proxy and for each spool that an earlier start with more proxies left, named `shipper`, `shipper-2` and so on. */
  shippers(release: Promise<unknown>): ChildSpec[];
}

/** Our own processes with their environment: each gets the secrets it needs and no others. */
export function describeProcesses(settings: ProcessSettings): Processes {
  const { folder, addresses, urls } = settings;
  const { base, control, proxy, shipper } = describeEnvironments(settings);
  const proxies = [addresses.proxy, ...addresses.moreProxies];
  return {
    migrate: nodeCommand('migrate', { ...base, ...urls }, true),
    proxies: proxies.map((listen, index) => {
      const own = { ...proxy, HOC_PROXY_ID: proxyId(index), HOC_PROXY_LISTEN: listenText(listen) };
      const env = (last: Listening | null) => ({ ...own, ...adminListen(last) });
      return nodeSpec({ name: 'proxy', nth: index, env, stopTimeoutMs: drainMs });
    }),
    control: (release) =>
      nodeSpec({
        name: 'control',
        env: (last) => ({ ...control, ...adminListen(last) }),
        stopTimeoutMs: 30_000,
        release,
      }),
    shippers: (release) =>
      Array.from({ length: Math.max(proxies.length, countSpools(folder)) }, (_, index) => {
        const own = { ...shipper, HOC_PROXY_ID: proxyId(index) };
        const env = (last: Listening | null) => ({ ...own, ...adminListen(last) });
        return nodeSpec({ name: 'shipper', nth: index, env, stopTimeoutMs: 60_000, release });
      }),
  };
}

/** What the processes find in their environment; `base` is common to all. */
function describeEnvironments({ folder, addresses, urls, secrets, bootstrapToken, inherited }: ProcessSettings) {
  const consoleUrl = localUrl(addresses.console);
  const base = { ...inherited, HOC_DATA: folder, HOC_CONTROL_URL: consoleUrl };
  const control = {
    ...base,
    ...urls,
    HOC_CONSOLE_LISTEN: listenText(addresses.console),
    HOC_NODE_TOKEN: secrets.nodeToken,
    HOC_KEY_HASH_SECRET: secrets.keyHashSecret,
    HOC_MASTER_KEY: secrets.masterKey,
    HOC_SNAPSHOT_KEY: secrets.snapshotKey,
    HOC_BOOTSTRAP_TOKEN: bootstrapToken,
    HOC_SERVICE_TOKEN: secrets.serviceToken,
  };
  const proxy = {
    ...base,
    REDIS_URL: urls.REDIS_URL,
    HOC_NODE_TOKEN: secrets.nodeToken,
    HOC_KEY_HASH_SECRET: secrets.keyHashSecret,
    HOC_SNAPSHOT_PUBLIC_KEY: snapshotPublicKey(secrets),
  };
  const shipper = {
    ...base,
    CLICKHOUSE_URL: urls.CLICKHOUSE_URL,
    REDIS_URL: urls.REDIS_URL,
    HOC_NODE_TOKEN: secrets.nodeToken,
  };
  return { base, control, proxy, shipper };
}

/** The highest number of a proxy that has a spool here. */
function countSpools(folder: string): number {
  const spool = join(folder, 'spool');
  const names = existsSync(spool) ? readdirSync(spool) : [];
  return Math.max(0, ...names.map((name) => Number(/^proxy-(\d{1,2})$/.exec(name)?.[1] ?? 0)));
}

/** Names a proxy in records and in its spool's folder. */
function proxyId(index: number): string {
  return `proxy-${index + 1}`;
}

/** The built-in simulator; its ledger of what it charged lies in the data folder. */
export function describeSimulator(
  folder: string,
  listen: Listen,
  inherited: Readonly<Record<string, string>>,
): ChildSpec {
  const env = {
    ...inherited,
    HOC_SIMULATOR_LISTEN: listenText(listen),
    HOC_SIMULATOR_LEDGER: join(folder, 'simulator.jsonl'),
  };
  return nodeSpec({
    name: 'simulator',
    env: (last) => ({ ...env, ...adminListen(last) }),
    stopTimeoutMs: 10_000,
  });
}

/** A listen address as `host:port`, an IPv6 host in brackets. */
export function listenText({ host, port }: Listen): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

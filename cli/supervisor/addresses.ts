import { join } from 'node:path';
import { readJson, writeJson } from './folder.ts';
import { choosePort, type Listen, parseListen } from './ports.ts';

export interface PublicPorts {
  /** How many proxies run side by side, each with its own spool and shipper. */
  proxies: number;
  /** Of the first proxy; the others take the ports they had last, or free ones. */
  proxyPort: number | null;
  consolePort: number | null;
  adminPort: number | null;
}

/** Where everything of this installation listens. */
export interface Addresses {
  proxy: Listen;
  /** The second proxy and those after it. */
  moreProxies: readonly Listen[];
  console: Listen;
  admin: Listen;
  simulator: Listen;
  postgres: Listen;
  clickhouse: Listen;
  redis: Listen;
  queue: Listen;
}

type Name = Exclude<keyof Addresses, 'moreProxies'>;

const standardPorts: Partial<Record<Name, number>> = { proxy: 7080, console: 7081, admin: 7082, simulator: 7083 };
const loopback = '127.0.0.1';

/**
 * Chooses every address of this start and remembers it in `DIR/ports.json`, so that the next start comes back to the same
 * ones. `HOC_PROXY_LISTEN`, `HOC_CONSOLE_LISTEN` and `HOC_ADMIN_LISTEN` set host and port, a `--*-port` the port; both are
 * binding (HocError `conflict` when in use). Everything else takes its last port, else the standard one, else a free one.
 */
export async function chooseAddresses(folder: string, asked: PublicPorts, env: NodeJS.ProcessEnv): Promise<Addresses> {
  const file = join(folder, 'ports.json');
  const last = readJson<Record<string, number>>(file) ?? {};
  const taken = new Set<number>();
  const ports: Record<string, number> = {};
  const choose = async (name: Name | `proxy-${number}`, host: string, port: number | null): Promise<Listen> => {
    const standard = name in standardPorts ? (standardPorts[name as Name] ?? null) : null;
    const chosen = await choosePort({ name, host, asked: port, last: last[name] ?? null, standard }, taken);
    taken.add(chosen);
    ports[name] = chosen;
    return { host, port: chosen };
  };
  const open = (name: Name, variable: string, port: number | null): Promise<Listen> => {
    const given = env[variable] === undefined ? null : parseListen(env[variable], variable);
    return choose(name, given?.host ?? loopback, port ?? given?.port ?? null);
  };
  const addresses: Omit<Addresses, 'moreProxies'> = {
    proxy: await open('proxy', 'HOC_PROXY_LISTEN', asked.proxyPort),
    console: await open('console', 'HOC_CONSOLE_LISTEN', asked.consolePort),
    admin: await open('admin', 'HOC_ADMIN_LISTEN', asked.adminPort),
    simulator: await choose('simulator', loopback, null),
    postgres: await choose('postgres', loopback, null),
    clickhouse: await choose('clickhouse', loopback, null),
    redis: await choose('redis', loopback, null),
    queue: await choose('queue', loopback, null),
  };
  const moreProxies: Listen[] = [];
  for (let nth = 2; nth <= asked.proxies; nth += 1) {
    moreProxies.push(await choose(`proxy-${nth}`, addresses.proxy.host, null));
  }
  writeJson(file, { ...last, ...ports });
  return { ...addresses, moreProxies };
}

import { join } from 'node:path';
import type { RunJson } from '../../console/contract/index.ts';
import type { Addresses } from './addresses.ts';
import type { Engines, EngineUrls } from './engines.ts';
import { writeJson } from './folder.ts';
import { localUrl } from './ports.ts';
import type { Secrets } from './secrets.ts';

/** More than the contract's RunJson: for `hoc doctor`, tests and backups. The engines' URLs hold passwords: mode 0600. */
export interface RunFile extends RunJson {
  pid: number;
  /** All proxies, the first too. */
  proxies: readonly string[];
  engines: EngineUrls;
  /** Where PostgreSQL's data lie; null when DATABASE_URL was given. */
  postgres: string | null;
}

/** Writes `DIR/run.json` (0600), through which the command line finds this installation. */
export function saveRunFile(folder: string, input: { addresses: Addresses; engines: Engines; secrets: Secrets }): void {
  const { addresses, engines, secrets } = input;
  const content: RunFile = {
    proxy: localUrl(addresses.proxy),
    proxies: [addresses.proxy, ...addresses.moreProxies].map(localUrl),
    console: localUrl(addresses.console),
    admin: localUrl(addresses.admin),
    token: secrets.serviceToken,
    pid: process.pid,
    engines: engines.urls,
    postgres: engines.postgresFolder,
  };
  writeJson(join(folder, 'run.json'), content);
}

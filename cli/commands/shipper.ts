import type { Command } from 'commander';
import { awaitRelease } from '../release.ts';

const help = `
Environment:
  HOC_ADMIN_LISTEN, HOC_DATA, HOC_PROXY_ID, HOC_CONTROL_URL, CLICKHOUSE_URL, REDIS_URL, HOC_NODE_TOKEN,
  HOC_LEASE_GONE_MS, HOC_SHIPPER_BATCH_FRAMES, HOC_SHIPPER_BATCH_BYTES, HOC_SHIPPER_LINGER_MS
  Secrets can also be given as files: NAME_FILE instead of NAME.

Example:
  $ HOC_PROXY_ID=proxy-1 hoc shipper`;

/** Adds `hoc shipper`: the process beside a proxy that moves its spool. */
export function addShipper(program: Command, env: NodeJS.ProcessEnv): void {
  program
    .command('shipper')
    .description('Run the shipper beside a proxy: moves its spool into ClickHouse and settles reservations.')
    .addHelpText('after', help)
    .action(async () => {
      process.title = 'hoc shipper';
      const { runShipper } = await import('../../proxy/shipper/main.ts');
      await awaitRelease(env);
      await runShipper(env);
    });
}

import { type Command, InvalidArgumentError } from 'commander';
import { defaultData } from '../connection.ts';
import { UsageError } from '../exit-codes.ts';
import { createStartReport } from '../output/start-report.ts';

interface StartFlags {
  config?: string;
  data: string;
  proxies: number;
  proxyPort?: number;
  consolePort?: number;
  adminPort?: number;
  json?: boolean;
}

const help = `
Engines that have a URL in DATABASE_URL, CLICKHOUSE_URL, REDIS_URL or QUEUE_REDIS_URL are not started.
Without --config, DIR/hoc.yaml is used; a first start writes it, with the built-in simulator as provider.

Examples:
  $ hoc start
  $ hoc start --config hoc.yaml --data /srv/hoc
  $ hoc start --config hoc.yaml --data /srv/hoc --proxy-port 8080 --json
  $ hoc start --proxies 4      # four ports for a load balancer; one set of limits over all`;

/** Adds `hoc start`: everything on one machine, until it is stopped. */
export function addStart(program: Command, env: NodeJS.ProcessEnv): void {
  program
    .command('start')
    .description('Run all of HOC on this machine, with its engines.')
    .option('-c, --config <file>', 'configuration file, applied at every start')
    .option('-d, --data <dir>', 'data folder, made when it is missing', defaultData)
    .option('--proxies <n>', 'proxies side by side, each with its spool and shipper', parseProxies, 1)
    .option('--proxy-port <port>', 'port of the first proxy (7080 when free)', parsePort)
    .option('--console-port <port>', 'port of the console and API (7081 when free)', parsePort)
    .option('--admin-port <port>', 'port of metrics and health (7082 when free)', parsePort)
    .addHelpText('after', help)
    .action(async (_flags: StartFlags, command: Command) => {
      const flags = command.optsWithGlobals<StartFlags>();
      const given = [flags.proxyPort, flags.consolePort, flags.adminPort].filter(
        (port) => port !== undefined && port !== 0,
      );
      if (new Set(given).size < given.length) throw new UsageError('The three ports must differ from each other.');
      process.title = 'hoc start';
      const { runStart } = await import('../supervisor/main.ts');
      await runStart({
        data: flags.data,
        config: flags.config ?? null,
        proxies: flags.proxies,
        proxyPort: flags.proxyPort ?? null,
        consolePort: flags.consolePort ?? null,
        adminPort: flags.adminPort ?? null,
        env: env,
        report: createStartReport(flags.json === true),
      });
    });
}

const mostProxies = 64;

function parseProxies(text: string): number {
  const count = Number(text);
  if (!/^\d{1,2}$/.test(text) || count < 1 || count > mostProxies)
    throw new InvalidArgumentError(`Expected 1 to ${mostProxies} proxies.`);
  return count;
}

/** A TCP port; 0 means any free one. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new InvalidArgumentError('Expected a port from 0 to 65535.');
  return port;
}

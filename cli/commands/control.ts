import type { Command } from 'commander';
import { awaitRelease } from '../release.ts';

const help = `
Environment:
  HOC_CONSOLE_LISTEN, HOC_ADMIN_LISTEN, DATABASE_URL, CLICKHOUSE_URL, REDIS_URL, QUEUE_REDIS_URL,
  HOC_NODE_TOKEN, HOC_KEY_HASH_SECRET, HOC_MASTER_KEY, HOC_SNAPSHOT_KEY, HOC_LOG_LEVEL,
  HOC_RETENTION_DAYS_RUNS, _RECORDS, _PAYLOADS, _ROLLUP_MINUTES, _ROLLUP_DAYS, _SYSTEM
  Secrets can also be given as files: NAME_FILE instead of NAME.

Example:
  $ HOC_CONSOLE_LISTEN=0.0.0.0:7081 hoc control`;

/** Adds `hoc control`: the control plane as a process of its own. */
export function addControl(program: Command, env: NodeJS.ProcessEnv): void {
  program
    .command('control')
    .description('Run control (console API, snapshots, jobs).')
    .addHelpText('after', help)
    .action(async () => {
      process.title = 'hoc control';
      const { runControl } = await import('../../console/main.ts');
      await awaitRelease(env);
      await runControl(env);
      // It resolves once everything is closed; the pipe on its standard input would keep the process alive.
      process.exit(0);
    });
}

import type { Command } from 'commander';
import { awaitRelease } from '../release.ts';

const help = `
Environment:
  DATABASE_URL, CLICKHOUSE_URL
  Secrets can also be given as files: NAME_FILE instead of NAME.

Example:
  $ hoc migrate`;

/** Adds `hoc migrate`: ends when both stores have this version's schema. */
export function addMigrate(program: Command, env: NodeJS.ProcessEnv): void {
  program
    .command('migrate')
    .description("Bring Postgres and ClickHouse to this version's schema, under a lock.")
    .addHelpText('after', help)
    .action(async () => {
      process.title = 'hoc migrate';
      const { runMigrate } = await import('../../console/migrate/main.ts');
      await awaitRelease(env);
      await runMigrate(env);
    });
}

import type { Command } from 'commander';

const help = `
Environment:
  DATABASE_URL, CLICKHOUSE_URL
  Secrets can also be given as files: NAME_FILE instead of NAME.

Example:
  $ hoc migrate`;

export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .description("Bring Postgres and ClickHouse to this version's schema, under a lock.")
    .addHelpText('after', help)
    .action(async () => {
      process.title = 'hoc migrate';
      const { runMigrate } = await import('../../console/migrate/main.ts');
      await runMigrate(process.env);
    });
}

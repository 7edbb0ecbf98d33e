import type { Command } from 'commander';

/** Processes that only `hoc start` runs: the engines' front and the simulator. Hidden from the help. */
export function addChildren(program: Command, env: NodeJS.ProcessEnv): void {
  program.command('clickhouse', { hidden: true }).action(async () => {
    process.title = 'hoc clickhouse';
    const { runClickHouseFront } = await import('../../storage/clickhouse/front/main.ts');
    await runClickHouseFront(env);
    // It resolves once everything is closed; the engine's own threads would keep the process alive.
    process.exit(0);
  });
  program.command('simulator', { hidden: true }).action(async () => {
    process.title = 'hoc simulator';
    const { runSimulator } = await import('../../proxy/simulator/main.ts');
    await runSimulator(env);
  });
}

import type { Command } from 'commander';

/** Processes that only `hoc start` runs: the engines' front and the simulator. Hidden from the help. */
export function addChildren(program: Command): void {
  program.command('clickhouse', { hidden: true }).action(async () => {
    process.title = 'hoc clickhouse';
    const { runClickHouseFront } = await import('../../storage/clickhouse/front/main.ts');
    await runClickHouseFront(process.env);
  });
  program.command('simulator', { hidden: true }).action(async () => {
    process.title = 'hoc simulator';
    const { runSimulator } = await import('../../proxy/simulator/main.ts');
    await runSimulator(process.env);
  });
}

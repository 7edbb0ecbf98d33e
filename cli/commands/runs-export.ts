import { type Command, Option } from 'commander';
import { withControl } from '../connection.ts';
import { formatCsvLine } from '../output/csv.ts';
import { print } from '../output/print.ts';

interface ExportFlags {
  format: 'jsonl' | 'csv';
  data?: string;
}

const help = `
Exports all tenants and all time, one run a line, to standard output. Cells of the CSV that a spreadsheet would run as a
formula get a leading apostrophe.

Examples:
  $ hoc runs export --data .hoc --format jsonl > runs.jsonl
  $ hoc runs export --format csv > runs.csv`;

/** Adds `hoc runs export`. */
export function addRunsExport(runs: Command, env: NodeJS.ProcessEnv): void {
  runs
    .command('export')
    .description('Write every run as JSON lines or CSV.')
    .addOption(new Option('--format <format>', 'jsonl or csv').choices(['jsonl', 'csv']).default('jsonl'))
    .option('-d, --data <dir>', 'data folder of a running "hoc start"')
    .addHelpText('after', help)
    .action(async (_flags: ExportFlags, command: Command) => {
      const flags = command.optsWithGlobals<ExportFlags>();
      await withControl(flags, env, async (client) => {
        if (flags.format === 'jsonl') {
          for await (const chunk of client.exportRuns()) await print(chunk);
        } else await exportCsv(client.exportRuns());
      });
    });
}

async function exportCsv(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const { runExportFields } = await import('../../console/contract/index.ts');
  await print(formatCsvLine(runExportFields));
  for await (const line of readLines(chunks)) {
    const run = JSON.parse(line) as Record<string, unknown>;
    await print(formatCsvLine(runExportFields.map((field) => run[field])));
  }
}

async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    yield* parts.filter((line) => line !== '');
  }
  if (rest !== '') yield rest;
}

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { AppliedChange, ApplyResult } from '../../console/contract/index.ts';
import { readFirstKey, withControl } from '../connection.ts';
import { UsageError } from '../exit-codes.ts';
import { print, printJson } from '../output/print.ts';
import { neutraliseTerminal } from '../output/terminal.ts';

interface ApplyFlags {
  file: string;
  dryRun?: boolean;
  adopt?: boolean;
  data?: string;
  json?: boolean;
}

const help = `
The file is checked whole before anything changes; what is wrong is named as file:line field: message.
Secrets are read from the environment variables that the file names (secretEnv, credential.env) and sent along;
that of the first key is known from the data folder.

Examples:
  $ hoc apply -f hoc.yaml --dry-run
  $ HOC_KEY_APP=... hoc apply -f hoc.yaml
  $ hoc apply -f - < hoc.yaml`;

/** Adds `hoc apply`: brings control to what a configuration file says. */
export function addApply(program: Command, env: NodeJS.ProcessEnv): void {
  program
    .command('apply')
    .description('Apply a configuration file, or show what it would change.')
    .requiredOption('-f, --file <file>', 'configuration file, or - for standard input')
    .option('--dry-run', 'only show what would change')
    .option('--adopt', 'take over objects that the API or another file owns, where this file names them')
    .option('-d, --data <dir>', 'data folder of a running "hoc start"')
    .addHelpText('after', help)
    .action(async (_flags: ApplyFlags, command: Command) => {
      const flags = command.optsWithGlobals<ApplyFlags>();
      const text = readText(flags.file);
      const { firstKeyVariable, resolveSecrets } = await import('../../console/contract/index.ts');
      const firstKey = readFirstKey(flags, env);
      const variables = firstKey === null ? env : { [firstKeyVariable]: firstKey, ...env };
      const result = await withControl(flags, env, (client) =>
        client.apply({
          file: flags.file === '-' ? 'stdin' : flags.file,
          text,
          secrets: resolveSecrets(text, variables),
          ...(flags.dryRun === true ? { dry_run: true } : {}),
          ...(flags.adopt === true ? { adopt: true } : {}),
        }),
      );
      await (flags.json === true ? printJson(result) : print(formatResult(result)));
    });
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read (${error instanceof Error ? error.message : String(error)}).`);
  }
}

const signs = { created: '+', updated: '~', removed: '-', unchanged: ' ' } as const;

function formatResult(result: ApplyResult): string {
  const changes = result.changes.filter((change) => change.change !== 'unchanged');
  const { created, updated, removed, unchanged } = result.counts;
  const counts = `${created} created, ${updated} updated, ${removed} removed, ${unchanged} unchanged`;
  const lines = changes.map(formatChange);
  const head = result.dry_run ? 'Would change' : 'Changed';
  if (changes.length === 0) return `Nothing ${result.dry_run ? 'would change' : 'changed'} (${unchanged} objects).\n`;
  return `${lines.join('\n')}\n${head}: ${counts}.\n`;
}

function formatChange(change: AppliedChange): string {
  const fields = change.fields.length === 0 ? '' : ` (${change.fields.join(', ')})`;
  const note = change.note === null ? '' : `: ${change.note}`;
  const type = change.object_type.replace('_', '-');
  const name = change.object_type === 'tenant' ? change.tenant : `${change.tenant}/${change.object}`;
  return neutraliseTerminal(`${signs[change.change]} ${type} ${name}${fields}${note}`);
}

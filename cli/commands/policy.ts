import type { Command } from 'commander';
import { addPolicySecondOpinion } from './policy-second-opinion.ts';
import { addPolicyTables } from './policy-tables.ts';

const help = `
Checks the file alone: no running HOC is needed. Findings are printed as file:line field: message.

Example:
  $ hoc policy check hoc.yaml`;

/** Adds `hoc policy check | facts | operators | second-opinion`. */
export function addPolicy(program: Command, env: NodeJS.ProcessEnv): void {
  const policy = program.command('policy').description('Work on policies.');
  policy
    .command('check')
    .description('Check a configuration file and its policies.')
    .argument('<file>', 'configuration file')
    .addHelpText('after', help)
    .action(async (file: string, _flags: unknown, command: Command) => {
      const { json } = command.optsWithGlobals<{ json?: boolean }>();
      const { runPolicyCheck } = await import('../../console/check/main.ts');
      process.exitCode = await runPolicyCheck({ file, json: json === true, env });
    });
  addPolicyTables(policy);
  addPolicySecondOpinion(policy, env);
}

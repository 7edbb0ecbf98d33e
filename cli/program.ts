import { Command } from 'commander';
import { addApply } from './commands/apply.ts';
import { addChildren } from './commands/children.ts';
import { addControl } from './commands/control.ts';
import { addDetectors } from './commands/detectors.ts';
import { addDoctor } from './commands/doctor.ts';
import { addKeys } from './commands/keys.ts';
import { addLimits } from './commands/limits.ts';
import { addMigrate } from './commands/migrate.ts';
import { addPolicy } from './commands/policy.ts';
import { addProxy } from './commands/proxy.ts';
import { addRuns } from './commands/runs.ts';
import { addShipper } from './commands/shipper.ts';
import { addStart } from './commands/start.ts';

const exitCodeHelp = `
Exit codes:
  0  done, nothing found wrong
  1  it failed, or what was looked at is not as it should be
  2  the command, its options or its file are wrong; nothing was changed
  3  control does not answer, or no running HOC was found

Examples:
  $ hoc start
  $ hoc runs list
  $ hoc apply -f hoc.yaml --dry-run
  $ hoc keys create --tenant default --name app`;

/** The whole command line over `env`. Every command takes --json; each file of `commands/` adds one command. */
export function buildProgram(env: NodeJS.ProcessEnv): Command {
  const program = new Command('hoc')
    .description(
      'AI governance console with a policy enforcement point: every LLM run identified, decided and recorded.',
    )
    .configureHelp({ showGlobalOptions: true })
    .option('--json', 'print JSON for programs instead of text for people')
    .addHelpText('after', exitCodeHelp)
    .exitOverride();
  const adders = [
    addStart,
    addApply,
    addKeys,
    addLimits,
    addRuns,
    addPolicy,
    addDetectors,
    addDoctor,
    addProxy,
    addControl,
    addShipper,
    addMigrate,
    addChildren,
  ];
  for (const add of adders) add(program, env);
  for (const command of allCommands(program)) {
    command.exitOverride().configureOutput({ outputError: (text, write) => write(text) });
  }
  return program;
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { AcknowledgedFinding } from '../../console/contract/index.ts';
import { defaultData, readRunFile, withControl } from '../connection.ts';
import { print, printJson } from '../output/print.ts';
import { neutraliseTerminal } from '../output/terminal.ts';

interface DoctorFlags {
  data?: string;
  json?: boolean;
}

const help = `
Looks at the installation of --data DIR, or at the one that DATABASE_URL, CLICKHOUSE_URL, REDIS_URL, QUEUE_REDIS_URL,
HOC_URL and HOC_TOKEN describe. Exits with 1 when something is wrong.

Examples:
  $ hoc doctor
  $ hoc doctor --data /srv/hoc --json`;

/** Adds `hoc doctor`: what is wrong with this installation, and what to do. */
export function addDoctor(program: Command, env: NodeJS.ProcessEnv): void {
  const doctor = program
    .command('doctor')
    .description('Examine this machine and a running HOC, and say what is wrong.')
    .option('-d, --data <dir>', 'data folder of a running "hoc start"')
    .addHelpText('after', help)
    .action(async (_flags: DoctorFlags, command: Command) => {
      const flags = command.optsWithGlobals<DoctorFlags>();
      const { runDoctor } = await import('../../console/doctor/main.ts');
      process.exitCode = await runDoctor({ env: doctorEnv(flags.data, env), json: flags.json === true });
    });
  addAcknowledge(doctor, env);
}

interface AcknowledgeFlags extends DoctorFlags {
  reason: string;
}

const acknowledgeHelp = `
For damage that stays on record for good: damaged or quarantined frames of a spool, records that are missing. "hoc doctor"
says the name of each. An acknowledged finding is no error any more and stays visible, with who acknowledged it, when and
why; as soon as there is more of it, it is an error again. It is put on record.

Example:
  $ hoc doctor acknowledge spool/proxy-1/damaged_frames --reason "disk replaced, frames restored from backup"`;

function addAcknowledge(doctor: Command, env: NodeJS.ProcessEnv): void {
  doctor
    .command('acknowledge')
    .description('Put on record that damage was seen and dealt with.')
    .argument('<finding>', 'its name, as hoc doctor says it')
    .requiredOption('--reason <text>', 'what happened, and what was done')
    .addHelpText('after', acknowledgeHelp)
    .action(async (finding: string, _flags: AcknowledgeFlags, command: Command) => {
      const flags = command.optsWithGlobals<AcknowledgeFlags>();
      const done = await withControl(flags, env, (client) => client.acknowledge(finding, flags.reason));
      await (flags.json === true ? printJson(done) : print(describeAcknowledged(done)));
    });
}

function describeAcknowledged({ message, acknowledged }: AcknowledgedFinding): string {
  return `${neutraliseTerminal(`Acknowledged by ${acknowledged.by}: ${message}`)}\n`;
}

/** The engines' and control's addresses of a one-machine installation in the form of the environment. */
function doctorEnv(data: string | undefined, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const dir = data ?? (existsSync(join(defaultData, 'run.json')) ? defaultData : null);
  if (dir === null) return env;
  const { engines, console: url, admin, token } = readRunFile(dir);
  return {
    ...env,
    ...engines,
    HOC_DATA: dir,
    HOC_URL: url,
    HOC_CONTROL_URL: url,
    HOC_ADMIN_URL: admin,
    HOC_TOKEN: token,
  };
}

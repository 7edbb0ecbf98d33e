import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { defaultData, readRunFile } from '../connection.ts';

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
  program
    .command('doctor')
    .description('Examine this machine and a running HOC, and say what is wrong.')
    .option('-d, --data <dir>', 'data folder of a running "hoc start"')
    .addHelpText('after', help)
    .action(async (_flags: DoctorFlags, command: Command) => {
      const flags = command.optsWithGlobals<DoctorFlags>();
      const { runDoctor } = await import('../../console/doctor/main.ts');
      process.exitCode = await runDoctor({ env: doctorEnv(flags.data, env), json: flags.json === true });
    });
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

import type { Command } from 'commander';
import type { AcceptedGap } from '../../console/contract/index.ts';
import { withControl } from '../connection.ts';
import { print, printJson } from '../output/print.ts';
import { neutraliseTerminal } from '../output/terminal.ts';

interface AcceptGapFlags {
  proxy: string;
  data?: string;
  json?: boolean;
}

const help = `
After Redis has lost its data, control rebuilds the counters of limits from the records, and waits for those of every
proxy; until then the limits refuse. "hoc doctor" names the proxies that are waited for. A spool that will never be
shipped again (its machine is gone) can be given up: what its last records hold is then missing in the open windows of
the limits, so that they may let through that much more. It is put on record, and cannot be taken back.

Example:
  $ hoc limits accept-gap --proxy proxy-3`;

/** Adds `hoc limits accept-gap`. */
export function addLimits(program: Command, env: NodeJS.ProcessEnv): void {
  const limits = program.command('limits').description('Look after the counters of limits.');
  limits
    .command('accept-gap')
    .description('Rebuild counters without the records of one proxy.')
    .requiredOption('--proxy <id>', 'the proxy whose spool cannot be shipped')
    .option('-d, --data <dir>', 'data folder of a running "hoc start"')
    .addHelpText('after', help)
    .action(async (_flags: AcceptGapFlags, command: Command) => {
      const flags = command.optsWithGlobals<AcceptGapFlags>();
      const gap = await withControl(flags, env, (client) => client.acceptGap(flags.proxy));
      await (flags.json === true ? printJson(gap) : print(describeGap(gap)));
    });
}

function describeGap({ proxy, tenants, forgotten }: AcceptedGap): string {
  const name = neutraliseTerminal(proxy);
  const first =
    tenants.length === 0
      ? `No rebuild was waiting for ${name}.`
      : `Counters are rebuilt without the records of ${name}, for: ${tenants.map(neutraliseTerminal).join(', ')}.`;
  return `${first}${forgotten ? ' Its spool is forgotten until it reports again.' : ''}\n`;
}

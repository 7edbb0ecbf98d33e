import type { Command } from 'commander';
import type { ExplainedPhase, ExplainedRun } from '../../console/contract/index.ts';
import { withControl } from '../connection.ts';
import { exitCodes } from '../exit-codes.ts';
import { print, printJson } from '../output/print.ts';
import { neutraliseTerminal } from '../output/terminal.ts';

interface ExplainFlags {
  data?: string;
  json?: boolean;
}

const help = `
For each phase: the verdict and who gave it, each policy with the facts that made its condition true, false or open, what was
changed and what not and why, and what policies in shadow would have said. From the recorded facts and policies, as they were.
Ends with exit code 1 where that is not kept any more, or was altered.

Example:
  $ hoc runs explain 0192f0c1-2d3e-7abc-8def-0123456789ab`;

/** Adds `hoc runs explain`. */
export function addRunsExplain(runs: Command, env: NodeJS.ProcessEnv): void {
  runs
    .command('explain')
    .description('Explain what was decided of one run, and why.')
    .argument('<run-id>', 'the id from x-hoc-run-id or "hoc runs list"')
    .option('-d, --data <dir>', 'data folder of a running "hoc start"')
    .addHelpText('after', help)
    .action(async (id: string, _flags: ExplainFlags, command: Command) => {
      const flags = command.optsWithGlobals<ExplainFlags>();
      const run = await withControl(flags, env, (client) => client.explainRun(id));
      await (flags.json === true ? printJson(run) : print(formatExplanation(run)));
      if (!isWhole(run)) process.exitCode = exitCodes.failure;
    });
}

function isWhole({ phases }: ExplainedRun): boolean {
  const isTold = ({ state, context_holds: holds }: ExplainedPhase) =>
    (state === 'explained' || state === 'no_policies') && holds !== false;
  return phases.length > 0 && phases.every(isTold);
}

function formatExplanation(run: ExplainedRun): string {
  const { run_id, status, verdict, decided_by, tenant, snapshot_id, phases } = run;
  const owner = decided_by === null ? '' : ` by ${decided_by}`;
  const head = [`run ${run_id}: ${status}, ${verdict}${owner}`];
  if (tenant !== null) head.push(`tenant ${tenant}${snapshot_id === null ? '' : `, snapshot ${snapshot_id}`}`);
  if (phases.length === 0) head.push('No decision of this run is on record, so there is nothing to explain.');
  const parts = [head, ...phases.map(formatPhase)];
  if (status === 'running') parts.push(['The run is under way: later phases may still decide.']);
  return `${parts.map((lines) => lines.map(neutraliseTerminal).join('\n')).join('\n\n')}\n`;
}

function formatPhase({ phase, words, context }: ExplainedPhase): string[] {
  const [verdict = '', ...rest] = words;
  const at = context === null ? '' : ` at ${new Date(context.at_ms).toISOString()}`;
  return [`${phase ?? 'decision'}${at}: ${verdict}`, ...rest.map((line) => `  ${line}`)];
}

import type { Command } from 'commander';
import type { FactTables, OperatorTable } from '../../console/check/main.ts';
import { print, printJson } from '../output/print.ts';
import { formatTable } from '../output/table.ts';

const factsHelp = `
Names in angle brackets stand for a tag or a limit of yours. A fact that a run does not have leaves a condition open, and
onError decides.

Examples:
  $ hoc policy facts
  $ hoc policy facts --json`;

const operatorsHelp = `
Examples:
  $ hoc policy operators
  $ hoc policy operators --json`;

/** Adds `hoc policy facts | operators`: the closed tables that conditions are written in. Neither needs a running HOC. */
export function addPolicyTables(policy: Command): void {
  policy
    .command('facts')
    .description('List every fact that a condition can name, and the detectors.')
    .addHelpText('after', factsHelp)
    .action(async (_flags: unknown, command: Command) => {
      const { json } = command.optsWithGlobals<{ json?: boolean }>();
      const { readFactTables } = await import('../../console/check/main.ts');
      const tables = readFactTables();
      await (json === true ? printJson(tables) : print(formatFacts(tables)));
    });
  policy
    .command('operators')
    .description('List every operator of the policy language.')
    .addHelpText('after', operatorsHelp)
    .action(async (_flags: unknown, command: Command) => {
      const { json } = command.optsWithGlobals<{ json?: boolean }>();
      const { readOperatorTable } = await import('../../console/check/main.ts');
      const table = readOperatorTable();
      await (json === true ? printJson(table) : print(formatOperators(table)));
    });
}

const wide = 400;

function formatFacts({ facts, detectors, detector_version }: FactTables): string {
  const factTable = formatTable(
    [{ title: 'FACT' }, { title: 'TYPE' }, { title: 'UNIT' }, { title: 'PHASES' }, { title: 'MEANING', max: wide }],
    facts.map(({ name, type, unit, phases, meaning }) => [name, type, unit, phases.join(' '), meaning]),
  );
  const detectorTable = formatTable(
    [{ title: 'DETECTOR' }, { title: 'KIND' }, { title: 'FINDS' }, { title: 'BY', max: wide }],
    detectors.map(({ id, kind, title, method, countries }) => [
      id,
      kind,
      title,
      countries === undefined ? method : `${method} (${countries.length} countries: ${countries.join(' ')})`,
    ]),
  );
  const notes = [
    `Detectors ${detector_version}. Counts of findings; they run only where a policy or a redacting capture names them.`,
    'A heuristic one is a guess: better to warn, tag or hold on than to deny on alone. hoc detectors measure tells how good each is.',
  ];
  return `${factTable}\n\n${notes.join('\n')}\n\n${detectorTable}\n`;
}

function formatOperators({ operators }: OperatorTable): string {
  const table = formatTable(
    [
      { title: 'OPERATOR' },
      { title: 'GROUP' },
      { title: 'ARGUMENTS', right: true },
      { title: 'TAKES', max: wide },
      { title: 'MEANING', max: wide },
    ],
    operators.map(({ name, group, arity: [fewest, most], takes, meaning }) => [
      name,
      group,
      fewest === most ? `${fewest}` : `${fewest} to ${most}`,
      takes,
      meaning,
    ]),
  );
  return `${table}\n`;
}

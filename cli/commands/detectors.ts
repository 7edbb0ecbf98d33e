import type { Command } from 'commander';

const help = `
Judges the labelled texts that come with the detectors, all made up, and prints how many findings were right and how many of
those expected were found, by text and by span. Heuristic detectors are marked so in the list of facts (hoc policy facts).

Example:
  $ hoc detectors measure --failures`;

/** Adds `hoc detectors measure`. */
export function addDetectors(program: Command): void {
  const detectors = program.command('detectors').description('Work on detectors without a running HOC.');
  detectors
    .command('measure')
    .description('Measure precision and recall of each detector on its labelled set.')
    .option('--failures', 'also print what was judged wrong')
    .addHelpText('after', help)
    .action(async (flags: { failures?: boolean }, command: Command) => {
      const { json } = command.optsWithGlobals<{ json?: boolean }>();
      const { runDetectorsMeasure } = await import('../../console/measure/main.ts');
      process.exitCode = await runDetectorsMeasure({ json: json === true, failures: flags.failures === true });
    });
}

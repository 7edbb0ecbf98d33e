import { type Command, CommanderError } from 'commander';
import { type ExitCode, exitCodeOf, exitCodes } from './exit-codes.ts';
import { printError } from './output/errors.ts';

/**
 * Runs the command line and returns its exit code. Errors are printed here and nowhere else: as sentences for a person,
 * as one JSON object on stderr with `--json`.
 */
export async function runProgram(program: Command, argv: readonly string[]): Promise<ExitCode> {
  try {
    await program.parseAsync([...argv]);
    return (process.exitCode as ExitCode | undefined) ?? exitCodes.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    printError(error, argv.includes('--json'));
    return exitCodeOf(error);
  }
}

import { HocError } from '../storage/schema/errors.ts';

/** What the command line's exit code says; the same list stands in `hoc --help`. */
export const exitCodes = {
  /** Done, and nothing was found wrong. */
  ok: 0,
  /** It failed, or what was looked at is not as it should be. */
  failure: 1,
  /** The command, its options or its input file are wrong. Nothing was changed. */
  usage: 2,
  /** Control did not answer, or no running HOC was found. */
  unreachable: 3,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** No running HOC was found where one was looked for. The message says what to do. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/** A command was given options that do not make sense. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Which exit code a failure ends the command with. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof Unreachable) return exitCodes.unreachable;
  if (error instanceof UsageError) return exitCodes.usage;
  if (error instanceof HocError && (error.code === 'configuration_invalid' || error.code === 'input_invalid')) {
    return exitCodes.usage;
  }
  return exitCodes.failure;
}

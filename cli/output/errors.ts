import { type Finding, HocError } from '../../storage/schema/errors.ts';
import { neutraliseTerminal } from './terminal.ts';

/** Prints a failure on stderr: what went wrong, where, and what to do; with `json`, as one object. */
export function printError(error: unknown, json: boolean): void {
  const message = messageOf(error);
  const findings = error instanceof HocError ? error.findings : [];
  if (json) {
    const code = error instanceof HocError ? error.code : error instanceof Error ? error.name : 'Error';
    process.stderr.write(`${JSON.stringify({ error: { code, message, findings } })}\n`);
    return;
  }
  const lines = message.split('\n').map(neutraliseTerminal);
  process.stderr.write(`hoc: ${lines.join('\n')}\n${formatFindings(findings)}`);
}

/** One line for each finding, `file:line field: message`; empty when there is none. */
export function formatFindings(findings: readonly Finding[]): string {
  return findings.map((finding) => `  ${formatFinding(finding)}\n`).join('');
}

function formatFinding({ file, line, field, message }: Finding): string {
  const place = file === null ? '' : line === null ? file : `${file}:${line}`;
  const head = [place, field].filter((part) => part !== '').join(' ');
  return neutraliseTerminal(head === '' ? message : `${head}: ${message}`);
}

function messageOf(error: unknown): string {
  if (error instanceof HocError) return error.publicMessage;
  if (!(error instanceof Error)) return String(error);
  // A fault of our own: the stack is what its report needs.
  return ['Unreachable', 'UsageError'].includes(error.name) ? error.message : (error.stack ?? error.message);
}

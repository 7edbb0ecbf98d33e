import { readFileSync } from 'node:fs';
import { type DetectorDescription, describeDetectors, detectorVersion } from '../../policy/detectors/index.ts';
import {
  describeFacts,
  describeOperators,
  type FactDescription,
  type OperatorDescription,
} from '../../policy/rules/index.ts';
import type { Variables } from '../../storage/process/environment.ts';
import type { Finding } from '../../storage/schema/errors.ts';
import { resolveSecrets } from '../contract/secret-names.ts';
import { checkConfiguration } from '../operations/configuration/check.ts';

/** What `hoc policy check` found, as `--json` prints it. */
export interface CheckReport {
  ok: boolean;
  file: string;
  findings: readonly Finding[];
}

/** Everything that a condition can name, as `hoc policy facts --json` prints it. */
export interface FactTables {
  facts: readonly FactDescription[];
  /** Version of the rules and libraries that findings depend on. */
  detector_version: string;
  detectors: readonly DetectorDescription[];
}

/** The closed table of facts, and the detectors whose counts stand in it. */
export function readFactTables(): FactTables {
  return { facts: describeFacts(), detector_version: detectorVersion, detectors: describeDetectors() };
}

/** Everything that a condition can do with facts, as `hoc policy operators --json` prints it. */
export interface OperatorTable {
  operators: readonly OperatorDescription[];
}

/** The closed table of operators, special forms first. */
export function readOperatorTable(): OperatorTable {
  return { operators: describeOperators() };
}

/**
 * Checks a configuration file as `hoc apply` does, but alone: no engine, no state. Secrets that are set are looked at (length,
 * sharing), others are not missed. Prints one line a finding, `file:line field: message`, or a report with `json`; control
 * characters of the file never reach the terminal. Returns the exit code: 0 for a good file, 1 for findings, 2 where it
 * cannot be read.
 */
export async function runPolicyCheck(input: { file: string; json: boolean; env?: Variables }): Promise<number> {
  const { file, json } = input;
  const text = readText(file);
  if (text === null) {
    process.stderr.write(`${clean(file)} cannot be read\n`);
    return 2;
  }
  const secrets = new Map(Object.entries(resolveSecrets(text, input.env ?? process.env)));
  const checked = checkConfiguration({ file, text, secrets, secretsMustExist: false });
  const findings = checked.ok ? [] : checked.findings;
  if (json) {
    const report: CheckReport = { ok: checked.ok, file, findings };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } else if (checked.ok) process.stdout.write(`${clean(file)}: no findings\n`);
  else for (const finding of findings) process.stdout.write(`${clean(describe(finding))}\n`);
  return checked.ok ? 0 : 1;
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null; // Told by the exit code and on stderr; the reason is the operating system's.
  }
}

function describe(finding: Finding): string {
  const place = finding.line === null ? (finding.file ?? '') : `${finding.file}:${finding.line}`;
  return [place, finding.field === '' ? '' : ` ${finding.field}`, `: ${finding.message}`].join('');
}

function clean(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}

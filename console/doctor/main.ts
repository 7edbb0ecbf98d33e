import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readEnvironment, type Variables } from '../../storage/process/environment.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type { DoctorFinding } from '../contract/api.ts';
import { ControlClient } from '../contract/client.ts';
import { judgeConfiguration } from './configuration.ts';
import { judgeSpools } from './spool.ts';

const answerMs = 5_000;

/** Addresses of an installation: from the environment, or from `run.json` of its data folder. */
interface Installation {
  control: string | null;
  token: string | null;
  admin: string | null;
}

/**
 * Examines an installation and prints what it found: control and its engines, migrations, manifest on every proxy,
 * counters, sequences (all asked of control at HOC_URL with HOC_TOKEN), and the spools and a refused configuration (from the
 * admin address in `run.json` of HOC_DATA, or HOC_ADMIN_URL). Returns the exit code: 1 with any error, else 0. Never throws.
 */
export async function runDoctor(input: { env: Variables; json: boolean }): Promise<number> {
  const installation = findInstallation(input.env);
  const findings = [...(await askControl(installation)), ...(await askAdmin(installation.admin))];
  const failed = findings.some((finding) => finding.severity === 'error');
  if (input.json) process.stdout.write(`${JSON.stringify({ ok: !failed, findings })}\n`);
  else
    for (const { check, severity, message } of findings)
      process.stdout.write(`${severity.padEnd(12)} ${check}: ${message.replace(/\p{Cc}/gu, '?')}\n`);
  return failed ? 1 : 0;
}

function findInstallation(env: Variables): Installation {
  const recorded = readRunFile(env.HOC_DATA);
  return {
    control: env.HOC_URL ?? env.HOC_CONTROL_URL ?? recorded.console ?? null,
    token: readEnvironment(env).optionalSecret('HOC_TOKEN') ?? recorded.token ?? null,
    admin: env.HOC_ADMIN_URL ?? recorded.admin ?? null,
  };
}

function readRunFile(folder: string | undefined): { console?: string; token?: string; admin?: string } {
  if (folder === undefined || folder === '') return {};
  try {
    return JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as {
      console?: string;
      token?: string;
      admin?: string;
    };
  } catch {
    return {}; // No installation runs there: then its addresses are not known, and the findings say so.
  }
}

async function askControl({ control, token }: Installation): Promise<DoctorFinding[]> {
  const check = 'control';
  if (control === null || token === null) {
    const message = 'Not known where control is: give --data DIR of a running HOC, or HOC_URL and HOC_TOKEN';
    return [{ check, severity: 'error', message }];
  }
  try {
    const findings = await new ControlClient({ url: control, token }).examine();
    return [{ check, severity: 'ok', message: `Control answers at ${control}` }, ...findings];
  } catch (error) {
    const message = error instanceof HocError ? error.publicMessage : 'Control does not answer';
    return [{ check, severity: 'error', message }];
  }
}

async function askAdmin(admin: string | null): Promise<DoctorFinding[]> {
  if (admin === null)
    return [{ check: 'spool', severity: 'warning', message: 'Not examined: no admin address is known' }];
  try {
    const answer = await fetch(`${admin}/metrics`, { signal: AbortSignal.timeout(answerMs), redirect: 'error' });
    const metrics = await answer.text();
    return [...judgeConfiguration(metrics), ...judgeSpools(metrics)];
  } catch {
    return [{ check: 'spool', severity: 'error', message: `The admin address ${admin} does not answer` }];
  }
}

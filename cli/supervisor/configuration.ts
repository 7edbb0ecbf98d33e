import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { type ApplyResult, ControlClient, resolveSecrets } from '../../console/contract/index.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type { SignedManifest } from '../../storage/schema/snapshot.ts';
import type { Listen } from './ports.ts';

/** A configuration file as read from disk. */
export interface ConfigurationText {
  file: string;
  text: string;
}

/** Reads the configuration file. Throws HocError `configuration_invalid` when it cannot be read. */
export function readConfiguration(file: string): ConfigurationText {
  try {
    return { file, text: readFileSync(file, 'utf8') };
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'it does not exist' : String(cause);
    throw new HocError({
      code: 'configuration_invalid',
      publicMessage: `The configuration file ${file} cannot be read: ${why}.`,
      cause,
      findings: [{ file, line: null, field: '', message: `cannot be read: ${why}` }],
    });
  }
}

/** Applies the file as `system:config`. Throws control's own HocError; its findings name the places in the file. */
export function applyConfiguration(input: {
  consoleUrl: string;
  bootstrapToken: string;
  configuration: ConfigurationText;
  env: NodeJS.ProcessEnv;
}): Promise<ApplyResult> {
  const { consoleUrl, bootstrapToken, configuration, env } = input;
  const client = new ControlClient({ url: consoleUrl, token: bootstrapToken });
  return client.apply({ ...configuration, secrets: resolveSecrets(configuration.text, env) });
}

/**
 * Whether control publishes a snapshot with a tenant in it: the last good one that a bad file must not stop. False also
 * where control does not answer.
 */
export async function hasLastGood(consoleUrl: string, nodeToken: string): Promise<boolean> {
  const answer = await fetch(`${consoleUrl}/internal/v1/manifest`, {
    headers: { authorization: `Bearer ${nodeToken}` },
    redirect: 'error',
  }).catch(() => null);
  if (answer?.ok !== true) return false;
  const signed = (await answer.json()) as SignedManifest;
  const { tenants } = JSON.parse(signed.manifest) as { tenants: readonly unknown[] };
  return tenants.length > 0;
}

/**
 * Where the built-in simulator must listen for this configuration: at the loopback address of the provider `simulator`;
 * null when no provider of that name points to this machine. Text that does not parse asks for no simulator: control says
 * what is wrong with it.
 */
export function simulatorListen(text: string): Listen | null {
  let tenants: unknown;
  try {
    tenants = (parse(text, { logLevel: 'silent' }) as { tenants?: unknown } | null)?.tenants;
  } catch {
    return null;
  }
  for (const tenant of Array.isArray(tenants) ? (tenants as { providers?: unknown }[]) : []) {
    for (const provider of Array.isArray(tenant?.providers) ? (tenant.providers as Record<string, unknown>[]) : []) {
      const url = typeof provider?.baseUrl === 'string' ? provider.baseUrl : '';
      const found = /^http:\/\/(127\.0\.0\.1|localhost):(\d{1,5})(\/|$)/.exec(url);
      if (provider?.slug === 'simulator' && found?.[2] !== undefined)
        return { host: '127.0.0.1', port: Number(found[2]) };
    }
  }
  return null;
}

import { readFileSync } from 'node:fs';
import { ControlClient } from '../../console/contract/client.ts';
import type { ApplyResult } from '../../console/contract/index.ts';
import { firstKeyVariable, listSecretNames, resolveSecrets } from '../../console/contract/secret-names.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type { SignedManifest } from '../../storage/schema/snapshot.ts';
import type { Listen } from './ports.ts';
import { simulatorListen } from './simulator-address.ts';
import { openStarter } from './starter.ts';

/** The configuration file of this start, as read from disk. */
export interface GivenConfiguration {
  file: string;
  /** Its text, or why it could not be read. */
  text: string | HocError;
  /** Where its secrets are looked up. */
  env: NodeJS.ProcessEnv;
  /** Variables that it names; no child may see them. */
  secretNames: readonly string[];
  /** Where it wants the built-in simulator; null for none. */
  simulator: Listen | null;
}

/**
 * Reads the configuration of this start: the file that was given, else `DIR/hoc.yaml`, which a first start writes.
 * A file that cannot be read is an answer too: the last good configuration may still be in force.
 */
export function openConfiguration(input: {
  config: string | null;
  folder: string;
  simulator: Listen;
  firstKey: string;
  env: NodeJS.ProcessEnv;
}): GivenConfiguration {
  const { config, folder, simulator, firstKey, env } = input;
  const file = config ?? openStarter(folder, simulator);
  const text = readText(file);
  const readable = typeof text === 'string';
  return {
    file,
    text,
    env: config === null ? { [firstKeyVariable]: firstKey, ...env } : env,
    secretNames: readable ? listSecretNames(text) : [],
    simulator: readable ? simulatorListen(text) : null,
  };
}

function readText(file: string): string | HocError {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const message = `The configuration file cannot be read: ${missing ? 'it does not exist' : String(cause)}`;
    const findings = [{ file, line: null, field: '', message }];
    return new HocError({ code: 'configuration_invalid', publicMessage: `${message} (${file}).`, cause, findings });
  }
}

/** Whether the file still is as it was read: a refusal is about nothing else. */
export function isAsRead({ file, text }: GivenConfiguration): boolean {
  const now = readText(file);
  return typeof text === 'string' ? now === text : typeof now !== 'string';
}

/** What came of applying the file: the manifest's sequence, or the refusal while an earlier configuration stays in force. */
export type Applied = { kind: 'applied'; sequence: number | null } | { kind: 'last-good'; refusal: HocError };

/**
 * Applies the configuration as `system:config`. A file that control refuses is no failure where an earlier configuration is
 * in force. Throws control's own HocError on a first start; its findings name the places in the file.
 */
export async function putInForce(input: {
  consoleUrl: string;
  bootstrapToken: string;
  nodeToken: string;
  configuration: GivenConfiguration;
}): Promise<Applied> {
  const { consoleUrl, bootstrapToken, nodeToken, configuration } = input;
  try {
    const applied = await apply(new ControlClient({ url: consoleUrl, token: bootstrapToken }), configuration);
    return { kind: 'applied', sequence: applied.manifest?.sequence ?? null };
  } catch (error) {
    if (!(error instanceof HocError) || !(await hasLastGood(consoleUrl, nodeToken))) throw error;
    return { kind: 'last-good', refusal: error };
  }
}

async function apply(client: ControlClient, { file, text, env }: GivenConfiguration): Promise<ApplyResult> {
  if (text instanceof HocError) throw text;
  return client.apply({ file, text, secrets: resolveSecrets(text, env) });
}

/**
 * Whether control publishes a snapshot with a tenant in it: the last good one that a bad file must not stop. False also
 * where control does not answer.
 */
async function hasLastGood(consoleUrl: string, nodeToken: string): Promise<boolean> {
  const answer = await fetch(`${consoleUrl}/internal/v1/manifest`, {
    headers: { authorization: `Bearer ${nodeToken}` },
    redirect: 'error',
  }).catch(() => null);
  if (answer?.ok !== true) return false;
  const signed = (await answer.json()) as SignedManifest;
  const { tenants } = JSON.parse(signed.manifest) as { tenants: readonly unknown[] };
  return tenants.length > 0;
}

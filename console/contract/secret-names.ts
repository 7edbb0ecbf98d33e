import { parseDocument } from 'yaml';
import { largestConfigurationBytes } from './configuration.ts';

/** Variable through which the starter file's key gets its secret; who applies the file on its machine need not set it. */
export const firstKeyVariable = 'HOC_KEY_FIRST';

/**
 * Names of the environment variables that a configuration file's text takes secrets from (`secretEnv`, and `env` of a
 * credential), sorted. The caller reads just these and sends their values along; nothing else of its environment leaves it.
 *
 * Text that does not parse has no names: control says what is wrong with it.
 */
export function listSecretNames(text: string): string[] {
  if (Buffer.byteLength(text) > largestConfigurationBytes) return [];
  const names = new Set<string>();
  for (const tenant of listIn(readText(text), 'tenants')) {
    for (const key of listIn(tenant, 'keys')) addName(names, field(key, 'secretEnv'));
    for (const provider of listIn(tenant, 'providers')) addName(names, field(field(provider, 'credential'), 'env'));
  }
  return [...names].sort();
}

/** The values of those names that are set in `env`. */
export function resolveSecrets(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of listSecretNames(text)) {
    const value = env[name];
    if (value !== undefined) found[name] = value;
  }
  return found;
}

function readText(text: string): unknown {
  try {
    const document = parseDocument(text, { logLevel: 'silent' });
    return document.errors.length > 0 ? null : document.toJS({ maxAliasCount: 100 });
  } catch {
    return null; // Too many aliases, or nested too deeply: control refuses the file and says so.
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function listIn(value: unknown, name: string): readonly unknown[] {
  const list = field(value, name);
  return Array.isArray(list) ? list : [];
}

function addName(names: Set<string>, value: unknown): void {
  if (typeof value === 'string' && value.length > 0) names.add(value);
}

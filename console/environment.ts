import { readFileSync } from 'node:fs';
import { HocError } from '../storage/schema/errors.ts';

/** A process's environment as it was given to it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads one variable: `NAME`, or the content of the file that `NAME_FILE` names, without its last line break. Null where
 * neither is set. Throws `configuration_invalid` for a file that cannot be read.
 */
export function readVariable(env: Environment, name: string): string | null {
  const value = env[name];
  if (value !== undefined && value !== '') return value;
  const file = env[`${name}_FILE`];
  if (file === undefined || file === '') return null;
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw new HocError({
      code: 'configuration_invalid',
      publicMessage: `The file of ${name}_FILE cannot be read`,
      cause,
    });
  }
}

/** Reads the named variables, all of them needed; throws `configuration_invalid` naming every one that is missing. */
export function requireVariables<Name extends string>(env: Environment, names: readonly Name[]): Record<Name, string> {
  const found = names.map((name) => [name, readVariable(env, name)] as const);
  const missing = found.filter(([, value]) => value === null).map(([name]) => name);
  if (missing.length > 0) {
    throw new HocError({
      code: 'configuration_invalid',
      publicMessage: `Missing in the environment: ${missing.join(', ')}`,
    });
  }
  return Object.fromEntries(found) as Record<Name, string>;
}

/** Reads `host:port` (`[::1]:8080` for IPv6); port 0 takes a free one. */
export function parseListen(name: string, text: string): { host: string; port: number } {
  const [, bracketed, host, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535) {
    throw new HocError({ code: 'configuration_invalid', publicMessage: `${name} must be host:port` });
  }
  return { host: bracketed ?? (host || '127.0.0.1'), port: Number(port) };
}

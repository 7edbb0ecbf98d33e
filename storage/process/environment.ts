import { readFileSync } from 'node:fs';
import { HocError } from '../schema/errors.ts';

/** A process's variables as they were given to it. */
export type Variables = Readonly<Record<string, string | undefined>>;

export interface Environment {
  /** The variable's text, or null where it is unset or empty. */
  optional(name: string): string | null;
  required(name: string): string;
  /** As `required`, or the first line of the file that `NAME_FILE` points to. */
  secret(name: string): string;
  optionalSecret(name: string): string | null;
  /** As `secret`, for all names at once: the error names every one that is missing. */
  all<Name extends string>(names: readonly Name[]): Record<Name, string>;
  /** A `host:port` address; IPv6 hosts in brackets. */
  listen(name: string, fallback: string): { host: string; port: number };
  integer(name: string, fallback: number): number;
  /** One of the given words, the first where it is unset. */
  choice<Word extends string>(name: string, words: readonly [Word, ...Word[]]): Word;
}

/** Reads a process's settings. Every error is HocError `configuration_invalid` and names the variable, never its value. */
export function readEnvironment(variables: Variables): Environment {
  const optional = (name: string): string | null => {
    const value = variables[name];
    return value === undefined || value === '' ? null : value;
  };
  const required = (name: string): string => optional(name) ?? invalid(`Set ${name}; it is required here.`);
  const optionalSecret = (name: string): string | null => {
    const direct = optional(name);
    if (direct !== null) return direct;
    const file = optional(`${name}_FILE`);
    if (file === null) return null;
    try {
      return readFileSync(file, 'utf8').split('\n')[0]?.trim() ?? null;
    } catch (cause) {
      return invalid(`The file that ${name}_FILE points to cannot be read.`, cause);
    }
  };
  return {
    optional,
    required,
    optionalSecret,
    secret: (name) => optionalSecret(name) ?? invalid(`Set ${name} or ${name}_FILE; it is required here.`),
    all: (names) => readAll(names, optionalSecret),
    listen: (name, fallback) => parseListen(name, optional(name) ?? fallback),
    integer(name, fallback) {
      const text = optional(name);
      if (text === null) return fallback;
      return /^\d{1,15}$/.test(text) ? Number(text) : invalid(`${name} must be a whole number.`);
    },
    choice(name, words) {
      const text = optional(name) ?? words[0];
      return words.find((word) => word === text) ?? invalid(`${name} must be ${words.join(' or ')}.`);
    },
  };
}

function readAll<Name extends string>(
  names: readonly Name[],
  read: (name: string) => string | null,
): Record<Name, string> {
  const found = names.map((name) => [name, read(name)] as const);
  const missing = found.filter(([, value]) => value === null).map(([name]) => name);
  if (missing.length > 0) invalid(`Missing in the environment: ${missing.join(', ')}.`);
  return Object.fromEntries(found) as Record<Name, string>;
}

function parseListen(name: string, text: string): { host: string; port: number } {
  const [, host, port] = /^(?:\[?([^\]]*?)\]?:)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535) return invalid(`${name} must look like 127.0.0.1:8080.`);
  return { host: host === undefined || host === '' ? '127.0.0.1' : host, port: Number(port) };
}

function invalid(publicMessage: string, cause?: unknown): never {
  throw new HocError({ code: 'configuration_invalid', publicMessage, cause });
}

import { readFileSync } from 'node:fs';
import { HocError } from '../schema/errors.ts';

export interface Environment {
  /** The variable's text, or null where it is unset or empty. */
  optional(name: string): string | null;
  required(name: string): string;
  /** As `required`, or the first line of the file that `NAME_FILE` points to. */
  secret(name: string): string;
  optionalSecret(name: string): string | null;
  /** A `host:port` address; IPv6 hosts in brackets. */
  listen(name: string, fallback: string): { host: string; port: number };
  integer(name: string, fallback: number): number;
}

/** Reads a process's settings. Every error is HocError `input_invalid` and names the variable, never its value. */
export function readEnvironment(variables: NodeJS.ProcessEnv): Environment {
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
    listen(name, fallback) {
      const text = optional(name) ?? fallback;
      const [, host, port] = /^(?:\[?([^\]]*?)\]?:)?(\d{1,5})$/.exec(text) ?? [];
      if (port === undefined || Number(port) > 65_535) return invalid(`${name} must look like 127.0.0.1:8080.`);
      return { host: host === undefined || host === '' ? '127.0.0.1' : host, port: Number(port) };
    },
    integer(name, fallback) {
      const text = optional(name);
      if (text === null) return fallback;
      return /^\d{1,15}$/.test(text) ? Number(text) : invalid(`${name} must be a whole number.`);
    },
  };
}

function invalid(publicMessage: string, cause?: unknown): never {
  throw new HocError({ code: 'input_invalid', publicMessage, cause });
}

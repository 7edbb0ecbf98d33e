import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Redis, ReplyError } from 'ioredis';

/** Source of the scripts' clock, Redis time. Tests alone put another one in its place. */
export const redisClock = readAsset('clock.lua');

/** The script that reserves, settles and expires, on the given clock. */
export function limitsSource(clock: string = redisClock): string {
  return [clock, ...counterSources(), readAsset('limits.lua')].join('\n');
}

/** The script that reads counters, on the given clock. */
export function readCountersSource(clock: string = redisClock): string {
  return [clock, ...counterSources(), readAsset('read-counters.lua')].join('\n');
}

/** The script that counts the runs of a session, on the given clock. */
export function sessionsSource(clock: string = redisClock): string {
  return [clock, readAsset('sessions.lua')].join('\n');
}

/** The scripts that restore counters, on the given clock; the writing one takes its time from the beginning. */
export function restoreSources(clock: string = redisClock): Record<'begin' | 'remove' | 'write' | 'end', string> {
  const beginning = 'local now = tonumber(ARGV[2])';
  return {
    begin: [clock, readAsset('restore-begin.lua')].join('\n'),
    remove: readAsset('restore-remove.lua'),
    write: [beginning, ...counterSources(), readAsset('restore.lua')].join('\n'),
    end: readAsset('restore-end.lua'),
  };
}

function counterSources(): string[] {
  return [readAsset('windows.lua'), readAsset('counters.lua')];
}

function readAsset(name: string): string {
  return readFileSync(new URL(`./${name}`, import.meta.url), 'utf8');
}

export interface Script {
  run(keys: readonly string[], args: readonly string[]): Promise<unknown>;
  /** Loads the script, so that the first run need not carry it. */
  load(): Promise<void>;
}

/**
 * A Lua script called by its digest; the source is sent only to a Redis that does not know it. Rejects with the client's
 * error: `ReplyError` where Redis answered with one, others where no answer came. The error does not hold the arguments
 * (counter keys can name an actor).
 */
export function createScript(redis: Redis, source: string): Script {
  const digest = createHash('sha1').update(source).digest('hex');
  async function call(keys: readonly string[], args: readonly string[]): Promise<unknown> {
    try {
      return await redis.evalsha(digest, keys.length, ...keys, ...args);
    } catch (error) {
      if (!readReplyError(error)?.startsWith('NOSCRIPT')) throw error;
      return await redis.eval(source, keys.length, ...keys, ...args);
    }
  }
  return {
    async load() {
      await redis.script('LOAD', source);
    },
    run: (keys, args) => call(keys, args).catch((error: unknown) => Promise.reject(withoutArguments(error))),
  };
}

/** ioredis hangs the command, arguments and all, onto its errors. */
function withoutArguments(error: unknown): unknown {
  if (error instanceof Error && 'command' in error) delete error.command;
  return error;
}

/** What Redis itself answered as an error, or null where the error is the client's and no answer came. */
export function readReplyError(error: unknown): string | null {
  return error instanceof Error && error instanceof ReplyError ? String(error.message) : null;
}

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlClient, RunJson } from '../console/contract/index.ts';
import { HocError } from '../storage/schema/errors.ts';
import { Unreachable, UsageError } from './exit-codes.ts';

/** Where a command finds control. */
export interface ConnectionOptions {
  /** Data folder of a one-machine installation; undefined looks at HOC_URL, then at `./.hoc`. */
  data?: string | undefined;
}

export interface Connection {
  url: string;
  token: string;
  /** Says where this came from, for messages. */
  source: string;
}

/** The data folder of `npm start`. */
export const defaultData = '.hoc';

/**
 * Finds control: `--data DIR` (its run.json), else `HOC_URL` and `HOC_TOKEN`, else `./.hoc`. Throws Unreachable when no
 * installation is there, UsageError when only half of the variables are set.
 */
export function findControl(options: ConnectionOptions, env: NodeJS.ProcessEnv): Connection {
  const url = env.HOC_URL ?? '';
  const token = env.HOC_TOKEN ?? '';
  if (options.data === undefined && (url !== '' || token !== '')) {
    if (url === '' || token === '')
      throw new UsageError(`Set both HOC_URL and HOC_TOKEN; ${url === '' ? 'HOC_URL' : 'HOC_TOKEN'} is missing.`);
    if (!URL.canParse(url)) throw new UsageError('HOC_URL is not a URL; expected for example http://127.0.0.1:7081.');
    return { url, token, source: 'HOC_URL' };
  }
  const dir = options.data ?? defaultData;
  const { console: address, token: found } = readRunFile(dir);
  return { url: address, token: found, source: join(dir, 'run.json') };
}

/** The first key of an installation that is found through its data folder; null elsewhere, or where this user may not know it. */
export function readFirstKey(options: ConnectionOptions, env: NodeJS.ProcessEnv): string | null {
  if (options.data === undefined && (env.HOC_URL ?? '') !== '') return null;
  try {
    const secrets = JSON.parse(readFileSync(join(options.data ?? defaultData, 'secrets.json'), 'utf8')) as {
      firstKey?: unknown;
    };
    return typeof secrets.firstKey === 'string' ? secrets.firstKey : null;
  } catch {
    // Without it, a file that names its variable is refused, with that name.
    return null;
  }
}

/** Reads `DIR/run.json`. Throws Unreachable when HOC never ran there, or the file is not readable by this user. */
export function readRunFile(dir: string): RunJson & { engines?: Record<string, string> } {
  const path = join(dir, 'run.json');
  if (!existsSync(path)) {
    throw new Unreachable(
      `No running HOC is known: there is no ${path}.\nStart one with "hoc start --data ${dir}", name its folder with --data DIR, or set HOC_URL and HOC_TOKEN.`,
    );
  }
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as RunJson;
  } catch (cause) {
    throw new Unreachable(`${path} cannot be read (${cause instanceof Error ? cause.message : String(cause)}).`);
  }
}

/**
 * Runs `work` with a client of control. Where control does not answer, throws Unreachable, saying where it was looked for.
 * The client alone is loaded, and only here, so that commands start fast.
 */
export async function withControl<T>(
  options: ConnectionOptions,
  env: NodeJS.ProcessEnv,
  work: (client: ControlClient) => Promise<T>,
): Promise<T> {
  const { url, token, source } = findControl(options, env);
  const { ControlClient } = await import('../console/contract/client.ts');
  try {
    return await work(new ControlClient({ url, token }));
  } catch (error) {
    if (!(error instanceof HocError) || error.code !== 'engine_unavailable' || !isConnectionFailure(error)) throw error;
    throw new Unreachable(
      `${error.publicMessage} (found through ${source}).\nIs HOC running? Start it with "hoc start".`,
    );
  }
}

/** fetch throws a TypeError when it gets no answer; control's own 503 carries no such cause. */
function isConnectionFailure(error: HocError): boolean {
  return error.cause instanceof TypeError;
}

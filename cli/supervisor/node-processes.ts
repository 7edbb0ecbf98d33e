import { fileURLToPath } from 'node:url';
import type { ChildCommand, ChildSpec, Listening } from './child.ts';

/** Processes of ours that the supervisor starts; each is a subcommand of the command line. */
export type NodeProcess = 'migrate' | 'control' | 'proxy' | 'shipper' | 'clickhouse' | 'simulator';

const entry = fileURLToPath(new URL('../main.js', import.meta.url));

/** Variables of our own environment that children get; everything else is theirs by name. */
const passedOn =
  /^(PATH|HOME|USER|LOGNAME|LANG|LC_.*|TZ|TMPDIR|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|(HTTPS?|NO|ALL)_PROXY|HOC_.*)$/i;
const neverPassedOn =
  /^HOC_(KEY_.*|.*TOKEN(_FILE)?|MASTER_KEY.*|SNAPSHOT_.*|PARENT_PIPE|AWAIT_RELEASE|.*_LISTEN|URL|DATA|CONTROL_URL)$/;

/**
 * What of our environment a child may see: no provider credential and no caller's key, so neither the names that the
 * configuration refers to nor anything HOC does not read.
 */
export function inheritedEnv(env: NodeJS.ProcessEnv, secretNames: readonly string[]): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || !passedOn.test(name) || neverPassedOn.test(name) || secretNames.includes(name)) continue;
    kept[name] = value;
  }
  return kept;
}

/**
 * Words to Node itself. Left alone V8 widens and narrows the space for new objects between 2 and 32 MiB over half an hour
 * of even load, which reads like a leak: control allocates little between its looks and keeps it small; the proxy and the
 * shipper have all of it from the start.
 */
const widest = ['--min-semi-space-size=16', '--max-semi-space-size=16'];
const nodeWords: Readonly<Partial<Record<NodeProcess, readonly string[]>>> = {
  control: ['--min-semi-space-size=4', '--max-semi-space-size=4'],
  proxy: widest,
  shipper: widest,
};

/**
 * How to run one of our processes; it ends when our end of its stdin pipe closes, however we end. One that
 * `waits` loads its code and runs when a byte comes through that pipe.
 */
export function nodeCommand(name: NodeProcess, env: Readonly<Record<string, string>>, waits = false): ChildCommand {
  const waiting = waits ? { HOC_AWAIT_RELEASE: '1' } : {};
  const args = [...(nodeWords[name] ?? []), entry, name];
  return { program: process.execPath, args, env: { ...env, ...waiting, HOC_PARENT_PIPE: '1' } };
}

/** A long-running process of ours. `env` sees where it listened before, so that a restart comes back to the same place. */
export function nodeSpec(input: {
  name: NodeProcess;
  /** From 0: of several such processes the second is called `<name>-2`. Default 0. */
  nth?: number;
  env(last: Listening | null): Readonly<Record<string, string>>;
  stopTimeoutMs: number;
  release?: Promise<unknown>;
}): ChildSpec {
  const { name, nth = 0, release } = input;
  return {
    name: nth === 0 ? name : `${name}-${nth + 1}`,
    command: (last) => nodeCommand(name, input.env(last), release !== undefined),
    ...(release === undefined ? {} : { release }),
    ready: 'line',
    readyTimeoutMs: 120_000,
    stopSignal: 'SIGTERM',
    stopTimeoutMs: input.stopTimeoutMs,
  };
}

/** The admin address of a child: any free one, and after a restart the one it had before. */
export function adminListen(last: Listening | null): { HOC_ADMIN_LISTEN: string } {
  const admin = last?.admin;
  return { HOC_ADMIN_LISTEN: admin === undefined ? '127.0.0.1:0' : new URL(admin).host };
}

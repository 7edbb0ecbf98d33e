import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const built = fileURLToPath(new URL('..', import.meta.url));
const bin = join(built, 'cli/main.js');

/** One exported run: the fields of the export contract that tests read. */
export interface ExportedRun {
  run_id: string;
  session_id: string | null;
  tenant: string | null;
  sub_tenant: string | null;
  key_id: string | null;
  actor_type: string | null;
  actor_id: string | null;
  actor_source: string | null;
  provider: string | null;
  dialect: string | null;
  model: string | null;
  tags: Record<string, string>;
  status: string;
  outcome: string;
  proximity: string;
  verdict: string;
  decided_by: string | null;
  input_tokens: number | null;
  output_tokens: number | null;
  cached_input_tokens: number | null;
  usage_source: string;
  cost_nano_usd: string | null;
  reserved_nano_usd: string | null;
  latency_ms: number;
  ttft_ms: number | null;
  snapshot_id: string | null;
  context_digest: string | null;
  decision_digest: string | null;
  proxy_seq: number;
  altered: boolean;
  started_at: string | number;
  ended_at: string | number;
  count: number;
  marks: string[];
}

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** A whole installation under test: real processes on loopback, data in a temporary folder. */
export interface Installation {
  data: string;
  pid: number;
  proxy: string;
  /** All proxies, the first too. */
  proxies: readonly string[];
  console: string;
  admin: string;
  token: string;
  /** Of its engines, with their passwords. */
  engines: { DATABASE_URL: string; CLICKHOUSE_URL: string; REDIS_URL: string; QUEUE_REDIS_URL: string };
  /** Runs the command line against this installation. */
  hoc(...args: string[]): Promise<CommandResult>;
  /** Applies a configuration and waits for nothing: the caller polls for its effect. */
  apply(yaml: string): Promise<CommandResult>;
  /** Every run on record, polled until `complete` holds: the shipper is at most a second behind. */
  exportRuns(complete: (runs: ExportedRun[]) => boolean): Promise<ExportedRun[]>;
  metrics(): Promise<string>;
  /** Resolves when `/readyz` says that every process is ready. */
  ready(timeoutMs?: number): Promise<void>;
  /** SIGTERM and wait for the end; gives the exit code. */
  stop(): Promise<number | null>;
}

export interface InstallationInput {
  yaml?: string;
  /** Secrets that the configuration names, and settings. */
  env?: Record<string, string>;
  data?: string;
  /** How many proxies; default 1. */
  proxies?: number;
  /** Comes back to the addresses of the last start in `data` instead of taking free ones. */
  samePorts?: boolean;
}

/** Starts `hoc start` and resolves with what its one line says. */
export async function startInstallation(input: InstallationInput): Promise<Installation> {
  const data = input.data ?? mkdtempSync(join(tmpdir(), 'hoc-test-'));
  const env = { ...process.env, ...input.env };
  const ports = input.samePorts ? lastPorts(data) : ['--proxy-port', '0', '--console-port', '0', '--admin-port', '0'];
  const args = ['start', '--data', data, '--json', '--proxies', String(input.proxies ?? 1), ...ports];
  if (input.yaml !== undefined) {
    writeFileSync(join(data, 'test.yaml'), input.yaml);
    args.push('--config', join(data, 'test.yaml'));
  }
  const child = spawn(process.execPath, [bin, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ready = await firstLine(child);
  const run = JSON.parse(readFileSync(join(data, 'run.json'), 'utf8')) as RunFile;
  const hoc = (...rest: string[]) => runCommand([...rest, '--data', data], env);
  return {
    ...(JSON.parse(ready) as { pid: number }),
    ...run,
    data,
    hoc,
    apply: async (yaml) => {
      const file = join(data, 'test.yaml');
      writeFileSync(file, yaml);
      return hoc('apply', '-f', file);
    },
    exportRuns: async (complete) => {
      let runs: ExportedRun[] = [];
      await until(async () => {
        const answer = await fetch(`${run.console}/api/v1/runs/export`, {
          headers: { authorization: `Bearer ${run.token}` },
        });
        if (answer.status !== 200) throw new Error(await answer.text());
        const lines = (await answer.text()).split('\n').filter((line) => line !== '');
        runs = lines.map((line) => JSON.parse(line) as ExportedRun);
        return complete(runs);
      }, 'the runs to be on record');
      return runs;
    },
    metrics: async () => (await fetch(`${run.admin}/metrics`)).text(),
    ready: (timeoutMs) => until(() => isReady(run.admin), 'every process to be ready', timeoutMs),
    stop: () => stopChild(child),
  };
}

interface RunFile extends Pick<Installation, 'proxy' | 'proxies' | 'console' | 'admin' | 'token' | 'engines'> {
  pid: number;
}

function lastPorts(data: string): string[] {
  const ports = JSON.parse(readFileSync(join(data, 'ports.json'), 'utf8')) as Record<string, number>;
  return ['proxy', 'console', 'admin'].flatMap((name) => [`--${name}-port`, String(ports[name])]);
}

async function isReady(admin: string): Promise<boolean> {
  const answer = await fetch(`${admin}/readyz`).catch(() => null);
  await answer?.arrayBuffer();
  return answer?.status === 200;
}

/**
 * Removes an installation's folder, and what it keeps elsewhere as root. Its processes must have ended. HOC_TEST_KEEP=1
 * keeps it, to look at its logs.
 */
export function removeData(data: string): void {
  if (process.env.HOC_TEST_KEEP === '1') {
    console.error(`kept ${data}`);
    return;
  }
  const { postgres } = JSON.parse(readFileSync(join(data, 'run.json'), 'utf8')) as { postgres: string | null };
  if (postgres !== null) rmSync(dirname(postgres), { recursive: true, force: true });
  rmSync(data, { recursive: true, force: true });
}

/** Starts one process of ours by its entry, e.g. `proxy/simulator/main.js`, and resolves with its addresses. */
export async function startProcess(
  entry: string,
  name: string,
  env: Record<string, string>,
): Promise<{ listen: Record<string, string>; stop(): Promise<number | null> }> {
  const code = `import(${JSON.stringify(join(built, entry))}).then((entry) => entry[${JSON.stringify(name)}](process.env))`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { listen } = JSON.parse(await firstLine(child)) as { listen: Record<string, string> };
  return { listen, stop: () => stopChild(child) };
}

/** Polls a condition every 20 ms for at most 30 s. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  what: string,
  timeoutMs = 30_000,
): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`Waited in vain for ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function runCommand(args: string[], env: NodeJS.ProcessEnv): Promise<CommandResult> {
  return new Promise((resolve) => {
    execFile(process.execPath, [bin, ...args], { env, maxBuffer: 512 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, stdout, stderr });
    });
  });
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const stderr: string[] = [];
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr.push(chunk.toString());
      if (stderr.length > 200) stderr.shift();
    });
    const { stdout } = child;
    if (stdout === null) return reject(new Error('no standard output'));
    createInterface(stdout).once('line', resolve);
    child.once('exit', (code) => reject(new Error(`ended with ${code} before it was ready:\n${stderr.join('')}`)));
    return undefined;
  });
}

function stopChild(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve(code));
    child.kill('SIGTERM');
  });
}

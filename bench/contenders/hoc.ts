import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startChild } from '../child.ts';
import { readCpuUs } from '../process-cpu.ts';
import type { Absent, Contender, ContenderContext } from './contender.ts';
import { hocConfiguration } from './hoc-configuration.ts';

/** The processes whose CPU is stated per run. */
export const measuredProcesses = ['proxy', 'shipper', 'control'] as const;
export type MeasuredProcess = (typeof measuredProcesses)[number];

export type CpuUs = Record<MeasuredProcess, number>;

/** The contender `hoc`, with what the bench reads of it beside the answers. */
export interface Hoc extends Contender {
  /** CPU time so far of each measured process, µs. Throws where one is not running. */
  readCpu(): CpuUs;
  /** Pid of the proxy. */
  proxyPid(): number;
  /** Rows of `hoc runs export`: how many runs are on record. */
  countRuns(): Promise<number>;
  /** Resolves once ClickHouse has acknowledged all that the proxy wrote; rejects after `timeoutMs`. */
  awaitDrained(timeoutMs: number): Promise<void>;
  /** Resolves with the count once `expected` runs are on record, or with what is there after `timeoutMs`. */
  awaitRuns(expected: number, timeoutMs: number): Promise<number>;
}

const program = fileURLToPath(new URL('../../cli/main.js', import.meta.url));

/** Starts one-machine mode with everything on, its data in the context's folder, and waits until it is ready. */
export async function startHoc(context: ContenderContext): Promise<Hoc | Absent> {
  if (!existsSync(program)) return { name: 'hoc', absent: `${program} is not built` };
  const file = join(context.folder, 'hoc.json');
  const data = join(context.folder, 'data');
  const secret = `hoc_bench_${randomBytes(24).toString('hex')}`;
  writeFileSync(file, hocConfiguration(context.upstream));
  const ports = ['--proxy-port', '0', '--console-port', '0', '--admin-port', '0'];
  const child = await startChild({
    program: process.execPath,
    args: [program, 'start', '--config', file, '--data', data, ...ports, '--json'],
    env: { ...context.env, HOC_KEY_BENCH: secret },
    speaks: true,
    readyTimeoutMs: 120_000,
  });
  const countRuns = (): Promise<number> => countLines(['runs', 'export', '--data', data, '--format', 'jsonl']);
  return {
    name: 'hoc',
    url: `${String(child.ready.proxy)}/openai/v1/chat/completions`,
    headers: { 'x-hoc-key': secret },
    stop: () => child.stop(),
    readCpu: () => readCpu(data),
    proxyPid: () => pidOf(data, 'proxy'),
    countRuns,
    awaitDrained: (timeoutMs) => awaitDrained(`${String(child.ready.admin)}/metrics`, timeoutMs),
    awaitRuns: (expected, timeoutMs) => awaitRuns(countRuns, expected, timeoutMs),
  };
}

function pidOf(data: string, name: MeasuredProcess): number {
  const children = JSON.parse(readFileSync(join(data, 'children.json'), 'utf8')) as { name: string; pid: number }[];
  const child = children.find((one) => one.name === name || one.name.startsWith(`${name}-`));
  if (child === undefined) throw new Error(`children.json of the data folder names no ${name}`);
  return child.pid;
}

function readCpu(data: string): CpuUs {
  const read = (name: MeasuredProcess): number => {
    const cpuUs = readCpuUs(pidOf(data, name));
    if (cpuUs === null) throw new Error(`${name} is not running`);
    return cpuUs;
  };
  return { proxy: read('proxy'), shipper: read('shipper'), control: read('control') };
}

/** The shipper measures its backlog once a second, so a figure younger than that may be from before the load. */
const backlogAgeMs = 1100;

async function awaitDrained(metrics: string, timeoutMs: number): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  for (let waitMs = backlogAgeMs; ; waitMs = 250) {
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    const text = await (await fetch(metrics)).text();
    const backlog = text.match(/^hoc_spool_bytes\{[^}]*process="shipper"[^}]*\} (\S+)$/m)?.[1];
    if (backlog === undefined) throw new Error('The metrics of hoc do not say how far its shipper is');
    if (Number(backlog) === 0) return;
    if (Date.now() > deadlineMs) throw new Error(`After ${timeoutMs} ms ${backlog} bytes are not shipped`);
  }
}

async function awaitRuns(countRuns: () => Promise<number>, expected: number, timeoutMs: number): Promise<number> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const count = await countRuns();
    if (count >= expected || Date.now() > deadlineMs) return count;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Lines that a command of `hoc` prints. Rejects, with its stderr, where it fails. */
function countLines(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let lines = 0;
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString('utf8');
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line !== '') lines += 1;
    });
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(lines) : reject(new Error(`hoc ${args.join(' ')}: ${errors}`)),
    );
  });
}

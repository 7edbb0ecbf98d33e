/**
 * `npm run bench`: what HOC costs, beside what else stands in that place, on this machine, in one run.
 *
 * Contenders face the same provider (a process of the bench that answers fixed bytes at once) and the same load (autocannon
 * in a process of its own), in interleaved rounds, so that whatever else the machine does meets all of them:
 *
 * - `direct`   the load straight to the provider: what the machine and the load generator allow at most
 * - `bare`     fastify and undici as a pass-through that decides and records nothing: what Node allows at most
 * - `nginx`    one worker, kept-alive connections, where the machine has it
 * - `portkey`  @portkey-ai/gateway from npm, its defaults
 * - `hoc`      `hoc start` with everything on: full capture, three policies, two request limits, one money limit, shipping
 *
 * Each figure is the median of the rounds. `hoc_to_bare` and `hoc_to_portkey` are ratios of rates. `runs_sent` counts the
 * requests to hoc that were answered, warm-up included; `runs_recorded` the rows that `hoc runs export` has for them: the
 * bench fails where they differ, and where any request of any contender was not answered with 2xx. `cpu_us_per_run` is
 * CPU time of a process from before a turn of hoc until its records are shipped, by run. Absolute figures depend on the
 * machine; ratios are what to compare. `--profile` prints where the proxy's time goes. `--figures` measures
 * parts of hoc by themselves: runs reserved and settled a second on one redis-server, runs shipped a second, bytes a run in
 * the spool and in ClickHouse. `--policies` measures policies without anything else. Only `--save` writes to
 * bench/results. See `--help` for the rest.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BenchChild, startChild } from './child.ts';
import type { Absent, Contender, ContenderContext, ContenderName } from './contenders/contender.ts';
import { type Hoc, startHoc } from './contenders/hoc.ts';
import { startBare, startDirect, startNginx, startPortkey } from './contenders/peers.ts';
import { measureParts } from './figures.ts';
import { type BenchOptions, readOptions, usage } from './options.ts';
import { measurePolicies } from './policies.ts';
import { probeContenders } from './probe.ts';
import { profileProcess } from './profile.ts';
import { type BenchReport, describeScenario, openReport, reportScenario } from './report.ts';
import { type Pace, runRounds } from './rounds.ts';

interface Running {
  contenders: readonly Contender[];
  hoc: Hoc | null;
  load: BenchChild;
  /** Ends everything that was started and removes the bench's temporary folder. */
  stop(): Promise<void>;
}

const starters: Record<ContenderName, (context: ContenderContext) => Promise<Contender | Absent> | Contender> = {
  direct: startDirect,
  bare: startBare,
  nginx: startNginx,
  portkey: startPortkey,
  hoc: startHoc,
};

/** The judged scenario has the longest rounds; in a quick run the others give no more than a first figure. */
function paceOf(options: BenchOptions, scenario: string): Pace {
  const judged = scenario === 'json-2k-32conn';
  const full: Pace = { rounds: 5, seconds: 5, warmUpSeconds: 12, warmUpRequests: 20_000 };
  const quick: Pace = judged
    ? { rounds: 3, seconds: 1.5, warmUpSeconds: 4, warmUpRequests: 5000 }
    : { rounds: 2, seconds: 0.8, warmUpSeconds: 0.5, warmUpRequests: 1000 };
  const usual = options.quick ? quick : full;
  return { ...usual, rounds: options.rounds ?? usual.rounds, seconds: options.seconds ?? usual.seconds };
}

async function startAll(options: BenchOptions, folder: string, report: BenchReport): Promise<Running> {
  const started: { stop(): Promise<void> }[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((one) => one.stop()));
    rmSync(folder, { recursive: true, force: true });
  };
  stopOnSignal(stop);
  try {
    const script = (name: string): string => fileURLToPath(new URL(`./${name}/main.js`, import.meta.url));
    const node = process.execPath;
    const upstream = await startChild({ program: node, args: [script('upstream')], speaks: true });
    started.unshift(upstream);
    const load = await startChild({ program: node, args: [script('load')], speaks: false });
    started.unshift(load);
    const contenders: Contender[] = [];
    const startOne = async (name: ContenderName): Promise<Contender | Absent> => {
      const own = join(folder, name);
      mkdirSync(own);
      const contender = await starters[name]({ upstream: String(upstream.ready.url), folder: own, env: process.env });
      if (!('absent' in contender)) started.unshift(contender);
      return contender;
    };
    for (const contender of await Promise.all(options.contenders.map(startOne))) {
      if ('absent' in contender) report.absent[contender.name] = contender.absent;
      else contenders.push(contender);
    }
    return { contenders, hoc: contenders.find(isHoc) ?? null, load, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A bench that is ended from outside ends what it started: nginx and Portkey would stay. */
function stopOnSignal(stop: () => Promise<void>): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stop().then(
        () => process.exit(130),
        () => process.exit(1),
      );
    });
  }
}

function isHoc(contender: Contender): contender is Hoc {
  return contender.name === 'hoc';
}

async function runScenarios(options: BenchOptions, running: Running, report: BenchReport): Promise<void> {
  const say = (text: string): void => {
    if (!options.json) console.log(text);
  };
  for (const scenario of options.scenarios) {
    const pace = paceOf(options, scenario.name);
    const { hoc, load } = running;
    const { able, unable } = await probeContenders(scenario, running.contenders);
    const rounds = await runRounds({ scenario, contenders: able, hoc, load, pace, seed: options.seed, say });
    const figures = { ...reportScenario(scenario, pace, rounds), unable };
    report.scenarios[scenario.name] = figures;
    say(`\n${describeScenario(scenario.name, figures)}\n`);
    if (options.save) saveResult(scenario.name, report);
  }
}

function saveResult(name: string, report: BenchReport): void {
  const figures = report.scenarios[name];
  writeResult(name, report.at, figures === undefined ? report : { ...report, scenarios: { [name]: figures } });
}

function writeResult(name: string, at: string, figures: object): void {
  // From dist/bench as well as from bench: the results are committed beside the sources.
  const folder = fileURLToPath(new URL('../../bench/results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${at.slice(0, 10)}-${name}.json`), `${JSON.stringify(figures, null, 2)}\n`);
}

async function runFigures(
  options: BenchOptions,
  running: Running,
  { report, folder }: { report: BenchReport; folder: string },
): Promise<void> {
  if (running.hoc === null) throw new Error('--figures needs the contender hoc');
  report.parts = await measureParts(running.hoc, folder, (text) => {
    if (!options.json) console.log(text);
  });
  if (!options.json) console.log(JSON.stringify({ hoc: report.hoc, ...report.parts }, null, 2));
  if (options.save) saveResult('parts', report);
}

/** Policies need no contender and no engine: nothing is started. */
async function runPolicies(options: BenchOptions, { at, seed, machine }: BenchReport): Promise<void> {
  const policies = await measurePolicies((text) => {
    if (!options.json) console.log(text);
  });
  const figures = { at, seed, machine, policies };
  if (options.json) console.log(JSON.stringify(figures));
  if (options.save) writeResult('policies', at, figures);
}

async function runProfiled(options: BenchOptions, running: Running, report: BenchReport): Promise<void> {
  if (running.hoc === null) throw new Error('--profile needs the contender hoc');
  const hot = await profileProcess(running.hoc.proxyPid(), () => runScenarios(options, running, report));
  console.error('Self time of the proxy under load, idle time left out:');
  for (const { name, where, selfMs, percent } of hot.slice(0, 40)) {
    console.error(`${percent.toFixed(1).padStart(5)} %${selfMs.toFixed(0).padStart(8)} ms  ${name}  ${where}`);
  }
}

/** What makes the figures worthless, as sentences; empty where they stand. */
function findFaults(report: BenchReport): string[] {
  return Object.entries(report.scenarios).flatMap(([name, { contenders, runs_sent, runs_recorded }]) => [
    ...Object.entries(contenders)
      .filter(([, { failed }]) => failed > 0)
      .map(([contender, { failed }]) => `${name}: ${failed} requests to ${contender} were not answered with 2xx`),
    ...(runs_sent === runs_recorded ? [] : [`${name}: ${runs_sent} runs sent, ${runs_recorded} recorded`]),
  ]);
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') {
    console.log(usage);
    return 0;
  }
  const report = openReport(options.seed);
  if (options.policies) {
    await runPolicies(options, report);
    return 0;
  }
  const folder = mkdtempSync(join(tmpdir(), 'hoc-bench-'));
  const running = await startAll(options, folder, report);
  try {
    if (options.figures) await runFigures(options, running, { report, folder });
    else await (options.profile ? runProfiled : runScenarios)(options, running, report);
  } finally {
    await running.stop();
  }
  for (const [name, why] of Object.entries(report.absent)) console.error(`${name} did not take part: ${why}`);
  const faults = findFaults(report);
  for (const fault of faults) console.error(fault);
  if (options.json) console.log(JSON.stringify(report));
  return faults.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

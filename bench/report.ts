import { cpus, totalmem } from 'node:os';
import type { ContenderName } from './contenders/contender.ts';
import type { CpuUs } from './contenders/hoc.ts';
import { hocSettings } from './contenders/hoc-configuration.ts';
import type { PartFigures } from './figures.ts';
import { median, round } from './median.ts';
import type { Pace, Rounds } from './rounds.ts';
import type { Scenario } from './scenarios.ts';

export interface ContenderFigures {
  rps: number;
  p50_ms: number;
  p99_ms: number;
  /** Requests of all rounds that were not answered, or not with 2xx. Anything but 0 makes the figures worthless. */
  failed: number;
}

export interface ScenarioReport {
  about: string;
  connections: number;
  rounds: number;
  seconds: number;
  contenders: Partial<Record<ContenderName, ContenderFigures>>;
  /** Peers that cannot answer a request of this scenario, and what they answer. */
  unable: Partial<Record<ContenderName, string>>;
  hoc_to_bare: number | null;
  hoc_to_portkey: number | null;
  runs_sent: number | null;
  runs_recorded: number | null;
  cpu_us_per_run: CpuUs | null;
}

export interface BenchReport {
  at: string;
  seed: number;
  machine: { cpu: string; cores: number; memory_gib: number; node: string; system: string };
  hoc: typeof hocSettings;
  /** Contenders that could not take part, and why. */
  absent: Partial<Record<ContenderName, string>>;
  scenarios: Record<string, ScenarioReport>;
  /** Only with `--figures`. */
  parts?: PartFigures;
}

/** The head of a report: where and with what it was made. */
export function openReport(seed: number): BenchReport {
  const processors = cpus();
  return {
    at: new Date().toISOString(),
    seed,
    machine: {
      cpu: processors[0]?.model ?? 'unknown',
      cores: processors.length,
      memory_gib: round(totalmem() / 2 ** 30),
      node: process.version,
      system: `${process.platform} ${process.arch}`,
    },
    hoc: hocSettings,
    absent: {},
    scenarios: {},
  };
}

/** One scenario's medians over its rounds, and the ratios of hoc's rate to those of its peers. */
export function reportScenario(scenario: Scenario, pace: Pace, rounds: Rounds): Omit<ScenarioReport, 'unable'> {
  const contenders: Partial<Record<ContenderName, ContenderFigures>> = {};
  for (const [name, results] of rounds.results) {
    contenders[name] = {
      rps: round(median(results.map(({ rps }) => rps)) ?? 0),
      p50_ms: round(median(results.map(({ p50Ms }) => p50Ms)) ?? 0),
      p99_ms: round(median(results.map(({ p99Ms }) => p99Ms)) ?? 0),
      failed: results.reduce((sum, { failed, non2xx }) => sum + failed + non2xx, 0),
    };
  }
  const ratio = (peer: ContenderName): number | null => {
    const [ours, theirs] = [contenders.hoc?.rps, contenders[peer]?.rps];
    return ours === undefined || !theirs ? null : round(ours / theirs);
  };
  const cpu = rounds.cpuUsPerRun;
  return {
    about: scenario.about,
    connections: scenario.connections,
    rounds: pace.rounds,
    seconds: pace.seconds,
    contenders,
    hoc_to_bare: ratio('bare'),
    hoc_to_portkey: ratio('portkey'),
    runs_sent: rounds.runsSent,
    runs_recorded: rounds.runsRecorded,
    cpu_us_per_run: cpu && { proxy: round(cpu.proxy), shipper: round(cpu.shipper), control: round(cpu.control) },
  };
}

/** A scenario as lines for a person. */
export function describeScenario(name: string, report: ScenarioReport): string {
  const rows = Object.entries(report.contenders).map(
    ([contender, { rps, p50_ms, p99_ms, failed }]) =>
      `  ${contender.padEnd(8)}${String(rps).padStart(8)} rps   p50 ${p50_ms} ms   p99 ${p99_ms} ms${failed > 0 ? `   ${failed} FAILED` : ''}`,
  );
  const cpu = report.cpu_us_per_run;
  return [
    `${name}: ${report.about}; medians of ${report.rounds} rounds of ${report.seconds} s`,
    ...rows,
    ...Object.entries(report.unable).map(([contender, why]) => `  ${contender.padEnd(8)}left out, it ${why}`),
    ...(report.hoc_to_bare === null ? [] : [`  hoc to bare ${report.hoc_to_bare}`]),
    ...(report.hoc_to_portkey === null ? [] : [`  hoc to portkey ${report.hoc_to_portkey}`]),
    ...(report.runs_sent === null ? [] : [`  runs sent ${report.runs_sent}, recorded ${report.runs_recorded}`]),
    ...(cpu === null
      ? []
      : [`  CPU per run: proxy ${cpu.proxy} µs, shipper ${cpu.shipper} µs, control ${cpu.control} µs`]),
  ].join('\n');
}

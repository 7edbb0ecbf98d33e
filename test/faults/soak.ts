import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../installation.ts';
import { startCallers } from './callers.ts';
import { askClickHouse } from './check-stores.ts';
import { mixedShape } from './kill-rounds.ts';
import { createRandom } from './random.ts';
import { averageBlocks, fitSlope, type Slope } from './slope.ts';
import { startStage } from './stage.ts';
import { listTargets, readResidentBytes } from './targets.ts';

/** The memory of one process over a soak; slopes are in bytes an hour. */
export interface MemorySlope {
  process: string;
  kind: MemoryKind;
  slope: Slope;
}

/** `kept` is what V8 holds in its spaces for old and for large objects: what came through its first collections. */
type MemoryKind = 'rss' | 'kept';

export interface SoakResult {
  seconds: number;
  runs: number;
  recorded: number;
  memory: MemorySlope[];
  violations: string[];
}

/** Processes of ours whose memory is judged; what engines keep is their own. */
const judged = ['proxy', 'shipper', 'control'];
/** More than this an hour, twice its standard error below the slope, is a leak. */
const mostBytesAnHour = 32 * 1024 * 1024;
/** A shorter soak sees V8 grow its heap to the size it works with, and no leak could be told from that. */
const leastJudgedSeconds = 900;
const warmUpShare = 0.25;

/**
 * Runs mixed load for so many seconds and fits a line through the memory of every process, after a warm-up of a quarter
 * of the time. At the end every run must be on record once.
 */
export async function runSoak(input: {
  seconds: number;
  callers: number;
  seed: number;
  note(text: string): void;
}): Promise<SoakResult> {
  const { seconds, callers, seed, note } = input;
  const stage = await startStage({
    tenant: `
    limits:
      - { id: budget, kind: money, ceilingUsd: "1000000", window: 1d, align: calendar }
      - { id: rate, kind: requests, ceiling: 100000000, window: 1h, align: rolling, by: [key] }`,
  });
  try {
    let runs = 0;
    const load = startCallers({
      proxies: stage.hoc.proxies,
      key: stage.key,
      callers,
      random: createRandom(seed),
      shape: mixedShape,
      onSighting: ({ runId }) => {
        if (runId !== null) runs += 1;
      },
    });
    const samples = await sampleMemory(stage.hoc, { seconds, note, runs: () => runs });
    await load.stop();
    const count = async () => {
      const sql = `SELECT uniqExact(run_id) AS runs, countIf(status = 'running') AS open FROM runs FINAL`;
      const [row] = await askClickHouse<{ runs: string; open: string }>(stage.hoc.engines.CLICKHOUSE_URL, sql);
      return { runs: Number(row?.runs), open: Number(row?.open) };
    };
    await until(
      async () => (await count()).runs >= runs && (await count()).open === 0,
      'all runs to be on record',
    ).catch(() => undefined);
    const recorded = await count();
    const memory = fitAll(samples, seconds);
    const isJudged = seconds >= leastJudgedSeconds;
    if (!isJudged) note(`memory is told and not judged: that takes ${leastJudgedSeconds} s`);
    const violations = isJudged ? memory.flatMap(judge) : [];
    // A caller that left before the head never learned its run's id.
    if (recorded.runs < runs) violations.push(`${runs} runs were answered and ${recorded.runs} are on record`);
    if (recorded.open > 0) violations.push(`${recorded.open} runs never ended`);
    return { seconds, runs, recorded: recorded.runs, memory, violations };
  } finally {
    await stage.stop();
  }
}

interface Sample {
  process: string;
  kind: MemoryKind;
  atSeconds: number;
  bytes: number;
}

async function sampleMemory(
  hoc: { data: string; metrics(): Promise<string> },
  options: { seconds: number; note(text: string): void; runs(): number },
): Promise<Sample[]> {
  const samples: Sample[] = [];
  const startedMs = performance.now();
  const everyMs = Math.min(5000, (options.seconds * 1000) / 60);
  let said = 0;
  for (;;) {
    const atSeconds = (performance.now() - startedMs) / 1000;
    if (atSeconds >= options.seconds) return samples;
    for (const { name, pid } of listTargets(hoc.data)) {
      const bytes = readResidentBytes(pid);
      if (bytes > 0) samples.push({ process: name, kind: 'rss', atSeconds, bytes });
    }
    for (const [process, bytes] of readKept(await hoc.metrics())) {
      samples.push({ process, kind: 'kept', atSeconds, bytes });
    }
    if (atSeconds - said >= 60) {
      said = atSeconds;
      options.note(`${atSeconds.toFixed(0)} s, ${options.runs()} runs`);
    }
    await delay(everyMs);
  }
}

/** By process. */
function readKept(metrics: string): Map<string, number> {
  const kept = new Map<string, number>();
  for (const line of metrics.split('\n')) {
    if (!/^nodejs_heap_space_size_used_bytes\{.*space="(old|large_object)"/.test(line)) continue;
    const process = /process="([^"]+)"/.exec(line)?.[1] ?? '';
    kept.set(process, (kept.get(process) ?? 0) + Number(line.split(' ').at(-1)));
  }
  return kept;
}

function fitAll(samples: readonly Sample[], seconds: number): MemorySlope[] {
  const names = [...new Set(samples.map(({ process, kind }) => `${process} ${kind}`))].sort();
  const from = seconds * warmUpShare;
  return names.map((name) => {
    const own = samples.filter((sample) => `${sample.process} ${sample.kind}` === name && sample.atSeconds >= from);
    const points = own.map(({ atSeconds, bytes }) => ({ x: atSeconds / 3600, y: bytes }));
    const [process = '', kind] = name.split(' ');
    const slope = fitSlope(averageBlocks(points, (seconds * (1 - warmUpShare)) / 3600 / 20));
    return { process, kind: kind === 'kept' ? 'kept' : 'rss', slope };
  });
}

/** What a slope says against a process; nothing where it is flat within its error. */
function judge({ process, kind, slope }: MemorySlope): string[] {
  if (!judged.includes(process) || slope.perUnit - 2 * slope.error <= mostBytesAnHour) return [];
  return [`${kind} of ${process} grows by ${describeSlope(slope)}`];
}

/** A slope of memory as text, with its standard error. */
export function describeSlope(slope: Slope): string {
  const mib = (bytes: number) => (bytes / 1024 / 1024).toFixed(2);
  return `${mib(slope.perUnit)} ± ${mib(slope.error)} MiB an hour (mean ${mib(slope.mean)} MiB, ${slope.points} blocks)`;
}

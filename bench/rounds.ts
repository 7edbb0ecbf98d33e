import type { BenchChild } from './child.ts';
import type { Contender, ContenderName } from './contenders/contender.ts';
import { type CpuUs, type Hoc, measuredProcesses } from './contenders/hoc.ts';
import type { LoadJob, LoadResult } from './load/job.ts';
import type { Scenario } from './scenarios.ts';

export interface Pace {
  rounds: number;
  seconds: number;
  /** A warm-up ends after this long, or after `warmUpRequests`: just-in-time compilers count calls, not seconds. */
  warmUpSeconds: number;
  warmUpRequests: number;
}

/** What the rounds of one scenario came to, before medians. */
export interface Rounds {
  results: Map<ContenderName, LoadResult[]>;
  /** Requests to hoc that were answered, warm-up included, and the runs on record for them; null without hoc. */
  runsSent: number | null;
  runsRecorded: number | null;
  cpuUsPerRun: CpuUs | null;
}

interface RoundsInput {
  scenario: Scenario;
  contenders: readonly Contender[];
  hoc: Hoc | null;
  load: BenchChild;
  pace: Pace;
  seed: number;
  say(text: string): void;
}

/** How long hoc may take to ship a round's records, and to show the runs once all is shipped. */
const drainTimeoutMs = 60_000;
const showTimeoutMs = 20_000;

/**
 * Runs one scenario: a warm-up of each contender, then rounds in which each has its turn, in an order drawn from the seed,
 * so that a drift of the machine meets all of them. After each turn of hoc the bench waits until its records are shipped:
 * shipping is part of hoc's cost, not of the next contender's.
 */
export async function runRounds(input: RoundsInput): Promise<Rounds> {
  const { contenders, pace, say } = input;
  const results = new Map<ContenderName, LoadResult[]>(contenders.map(({ name }) => [name, []]));
  const ledger = await openLedger(input.hoc);
  const random = createRandom(input.seed);
  for (const contender of contenders) {
    await ledger.turn(contender, () =>
      runTurn(input, contender, { seconds: pace.warmUpSeconds, enough: pace.warmUpRequests }),
    );
  }
  ledger.startCpu();
  for (let round = 1; round <= pace.rounds; round += 1) {
    for (const contender of shuffle(contenders, random)) {
      const result = await ledger.turn(contender, () =>
        runTurn(input, contender, { seconds: pace.seconds, enough: null }),
      );
      results.get(contender.name)?.push(result);
      say(`${input.scenario.name} round ${round}/${pace.rounds} ${contender.name}: ${describe(result)}`);
    }
  }
  return { results, ...(await ledger.close()) };
}

function describe({ rps, p50Ms, p99Ms, failed, non2xx }: LoadResult): string {
  const trouble = failed + non2xx > 0 ? `, ${failed} failed, ${non2xx} not 2xx` : '';
  return `${Math.round(rps)} rps, p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms${trouble}`;
}

/** The headers of a request of any scenario to one contender. */
export function requestHeaders(contender: Contender): Record<string, string> {
  return { 'content-type': 'application/json', authorization: 'Bearer sk-bench', ...contender.headers };
}

async function runTurn(
  { scenario, load }: RoundsInput,
  contender: Contender,
  length: Pick<LoadJob, 'seconds' | 'enough'>,
): Promise<LoadResult> {
  const job: LoadJob = {
    url: contender.url,
    headers: requestHeaders(contender),
    body: scenario.body,
    connections: scenario.connections,
    ...length,
  };
  return JSON.parse(await load.ask(JSON.stringify(job))) as LoadResult;
}

/** Keeps account of hoc alone: what was sent, what is on record, and the CPU used from before a turn to after its drain. */
async function openLedger(hoc: Hoc | null) {
  const before = hoc === null ? 0 : await hoc.countRuns();
  let sent = 0;
  let measuredRuns = 0;
  let measuring = false;
  const cpuUs: CpuUs = { proxy: 0, shipper: 0, control: 0 };
  return {
    startCpu: (): void => {
      measuring = true;
    },
    async turn(contender: Contender, run: () => Promise<LoadResult>): Promise<LoadResult> {
      if (hoc === null || contender !== hoc) return run();
      const cpuBefore = hoc.readCpu();
      const result = await run();
      sent += result.answered;
      await hoc.awaitDrained(drainTimeoutMs);
      if (measuring) {
        const cpuAfter = hoc.readCpu();
        for (const name of measuredProcesses) cpuUs[name] += cpuAfter[name] - cpuBefore[name];
        measuredRuns += result.answered;
      }
      return result;
    },
    async close(): Promise<Pick<Rounds, 'runsSent' | 'runsRecorded' | 'cpuUsPerRun'>> {
      if (hoc === null) return { runsSent: null, runsRecorded: null, cpuUsPerRun: null };
      for (const name of measuredProcesses) cpuUs[name] /= Math.max(1, measuredRuns);
      const recorded = (await hoc.awaitRuns(before + sent, showTimeoutMs)) - before;
      return { runsSent: sent, runsRecorded: recorded, cpuUsPerRun: cpuUs };
    },
  };
}

/** A small generator of numbers from 0 to below 1 (mulberry32), so that a seed gives the same order again. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffle<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

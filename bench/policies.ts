import { detectorVersion } from '../policy/detectors/index.ts';
import { type CompiledPolicies, checkPolicies, compileInSteps, engineVersion } from '../policy/rules/index.ts';
import { decide } from '../proxy/pipeline/decide.ts';
import { rule } from '../proxy/pipeline/rule.ts';
import { isRefusal } from '../proxy/pipeline/run.ts';
import { createBreathe } from '../proxy/pipeline/snapshot.ts';
import type { PolicyEntry } from '../storage/schema/snapshot.ts';
import { round } from './median.ts';
import { makePolicies, type PolicySet, policySets } from './policies-sets.ts';
import { benchRequest, openStage } from './policies-stage.ts';
import {
  type DetectorFigures,
  measureDetectors,
  measureReaders,
  measureStreams,
  type ReaderFigures,
  type StreamFigures,
} from './policies-texts.ts';
import { cpuUs, cpuUsAsync, heapBytes } from './policies-time.ts';

/** What one document of policies costs. */
export interface PolicySetFigures {
  set: PolicySet;
  policies: number;
  /** CPU microseconds a run of the whole stage: texts read and looked through, facts frozen, decided, digested. */
  stage_us: number;
  /** Of that, freezing the facts, deciding and digesting. */
  rules_us: number;
  facts: number;
  scans: number;
  detectors: number;
  /** Null where there are too few to tell. */
  heap_bytes_per_policy: number | null;
  compile_ms: number;
  /** The longest single step of the compiler. */
  longest_step_ms: number;
  /** The longest that the proxy's event loop stands still while it compiles in slices. */
  longest_slice_ms: number;
}

/** What policies cost, on what. Times are CPU times of this machine, bytes are those of V8's heap. */
export interface PolicyFigures {
  about: string;
  engine: string;
  detector: string;
  sets: Record<PolicySet, string>;
  requests: PolicySetFigures[];
  readers: ReaderFigures[];
  streams: StreamFigures[];
  detectors: DetectorFigures[];
}

const counts = [10, 100, 1000];

/** Measures policies by themselves, without engines and network: on requests, on streams, and their detectors. */
export async function measurePolicies(say: (text: string) => void): Promise<PolicyFigures> {
  const requests: PolicySetFigures[] = [await measureSet('conditions', 0)];
  for (const set of Object.keys(policySets) as PolicySet[]) {
    for (const count of counts) {
      const figures = await measureSet(set, count);
      requests.push(figures);
      say(JSON.stringify(figures));
    }
  }
  const readers = measureReaders();
  say(JSON.stringify(readers));
  const streams = await measureStreams();
  say(JSON.stringify(streams));
  const detectors = measureDetectors();
  return {
    about: `${benchRequest}; digests of every decision; streams of 2,000 events of six characters; CPU time, the lowest of five rounds`,
    ...{ engine: engineVersion, detector: detectorVersion, sets: policySets },
    ...{ requests, readers, streams, detectors },
  };
}

async function measureSet(set: PolicySet, count: number): Promise<PolicySetFigures> {
  const policies = makePolicies(set, count);
  const [finding] = checkPolicies(policies);
  if (finding !== undefined) throw new Error(`${finding.field}: ${finding.message}`);
  const compiled = await measureCompiling(policies);
  const { identified, request, openRun } = await openStage(policies);
  const last = openRun();
  const decideOnce = async (): Promise<void> => {
    if (isRefusal(await decide(openRun(), identified, request))) throw new Error('A run of the bench was refused');
  };
  const stageUs = await cpuUsAsync(decideOnce);
  await decide(last, identified, request);
  const read = last.readFact;
  const rulesUs = cpuUs(() => rule(last, { identified, request, phase: 'request', atMs: 0, read }));
  const { tenant } = identified;
  return {
    ...{ set, policies: count, stage_us: stageUs, rules_us: rulesUs },
    facts: tenant.policies.factsNamed('request').length,
    scans: tenant.policies.scansNamed('request').length,
    detectors: tenant.policies.detectorsNamed('request').length,
    ...compiled,
  };
}

type CompileFigures = Pick<
  PolicySetFigures,
  'heap_bytes_per_policy' | 'compile_ms' | 'longest_step_ms' | 'longest_slice_ms'
>;

/** Compiles five times; times are of the fastest, so that they are the compiler's and not the machine's. */
async function measureCompiling(policies: readonly PolicyEntry[]): Promise<CompileFigures> {
  const before = heapBytes();
  const kept: CompiledPolicies[] = [];
  const tries: Omit<CompileFigures, 'heap_bytes_per_policy'>[] = [];
  for (let nth = 0; nth < 5; nth += 1) {
    const { compiled, ...times } = await compileOnce(policies);
    kept.push(compiled);
    tries.push(times);
  }
  const bytes = (heapBytes() - before) / kept.length / Math.max(1, policies.length);
  const least = (read: (one: (typeof tries)[number]) => number) => round(Math.min(...tries.map(read)));
  return {
    heap_bytes_per_policy: policies.length < 100 ? null : round(bytes),
    compile_ms: least((one) => one.compile_ms),
    longest_step_ms: least((one) => one.longest_step_ms),
    longest_slice_ms: least((one) => one.longest_slice_ms),
  };
}

async function compileOnce(policies: readonly PolicyEntry[]) {
  const breathe = createBreathe(() => performance.now());
  const steps = compileInSteps(policies);
  let [busyMs, longestStepMs, longestSliceMs, sliceMs] = [0, 0, 0, 0];
  for (;;) {
    const startedMs = performance.now();
    const step = steps.next();
    const tookMs = performance.now() - startedMs;
    busyMs += tookMs;
    sliceMs += tookMs;
    longestStepMs = Math.max(longestStepMs, tookMs);
    longestSliceMs = Math.max(longestSliceMs, sliceMs);
    if (step.done) {
      const times = { compile_ms: busyMs, longest_step_ms: longestStepMs, longest_slice_ms: longestSliceMs };
      return { compiled: step.value, ...times };
    }
    const pause = breathe();
    if (pause === undefined) continue;
    await pause;
    sliceMs = 0;
  }
}

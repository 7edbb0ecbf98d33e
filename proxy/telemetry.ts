import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { RunSummary, TelemetryPort } from './pipeline/ports.ts';

const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const stageBuckets = [0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1];
/** Seven observations a run would cost more than any stage they measure. */
const stageSampling = 8;
/** Stages whose time is the provider's, not ours. */
const foreignStages = new Set(['forward', 'observe']);

export interface ProxyTelemetry extends TelemetryPort {
  registry: Registry;
  manifestSequence: Gauge;
  degraded(mode: string, on: boolean): void;
}

/** What main.ts lets the metrics read at scrape time. */
export interface TelemetryProbes {
  spool(): { bytes: number; oldestAgeSeconds: number };
  snapshotAgeSeconds(): number;
  /** Whether the limit counters are given up for now, because Redis failed five times in a row. */
  redisIsDown(): boolean;
  /** How often this process found its lease gone. */
  leasesLost(): number;
}

/**
 * The data plane's metrics, for Prometheus.
 *
 * Labels are bounded: tenant, provider and dialect come from the configuration, model only where a price list knows it,
 * everything else from closed lists. No caller text, key or prompt ever becomes a label.
 */
export function createTelemetry(
  probes: TelemetryProbes,
  onFailure: (what: string, error: unknown) => void,
): ProxyTelemetry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const state = createStateMetrics(probes, [registry]);
  const totals = createRunTotals([registry]);
  const times = createRunTimes([registry]);
  const policies = createPolicyTotals([registry]);
  const limits = createLimitMetrics([registry]);
  registerProbes(probes, [registry]);
  return {
    registry,
    manifestSequence: state.manifestSequence,
    degraded: (mode, on) => state.degraded.set({ mode }, on ? 1 : 0),
    runStarted() {
      state.started.inc();
      state.open.inc();
    },
    runFinished(run) {
      state.open.dec(run.count);
      if (run.degraded) state.degradedRuns.inc();
      totals(run);
      policies(run);
      times(run);
    },
    ...limits,
    failed(what, error) {
      state.failures.inc({ what });
      onFailure(what, error);
    },
  };
}

function createStateMetrics(probes: TelemetryProbes, registers: Registry[]) {
  return {
    started: new Counter({ name: 'hoc_runs_started_total', help: 'Runs accepted', registers }),
    open: new Gauge({ name: 'hoc_runs_open', help: 'Runs on their way through the pipeline', registers }),
    degradedRuns: new Counter({ name: 'hoc_degraded_runs_total', help: 'Runs decided without counters', registers }),
    degraded: new Gauge({
      name: 'hoc_degraded',
      help: '1 while a part works in its degraded mode',
      labelNames: ['mode'],
      registers,
      collect() {
        this.set({ mode: 'redis' }, probes.redisIsDown() ? 1 : 0);
      },
    }),
    failures: new Counter({
      name: 'hoc_proxy_failures_total',
      help: 'Faults of the proxy itself',
      labelNames: ['what'],
      registers,
    }),
    manifestSequence: new Gauge({
      name: 'hoc_manifest_sequence',
      help: 'Sequence of the manifest in force',
      registers,
    }),
  };
}

function createLimitMetrics(
  registers: Registry[],
): Pick<TelemetryPort, 'limitUsed' | 'limitNear' | 'limitOverrun' | 'limitToppedUp' | 'runCut'> {
  const labelNames = ['tenant', 'limit'];
  const use = new Gauge({
    name: 'hoc_limit_use_ratio',
    help: 'Used and reserved against the ceiling at the last run; the fullest subject of the limit may differ',
    labelNames,
    registers,
  });
  const near = new Counter({
    name: 'hoc_limit_near_total',
    help: 'Windows in which a counter of the limit reached its near mark',
    labelNames,
    registers,
  });
  const overruns = new Counter({
    name: 'hoc_limit_overruns_total',
    help: 'Runs that came to more than was reserved for them',
    labelNames,
    registers,
  });
  const topUps = new Counter({
    name: 'hoc_limit_topups_total',
    help: 'Reservations of runs under way that were raised or renewed, by answer',
    labelNames: ['result'],
    registers,
  });
  const cuts = new Counter({
    name: 'hoc_streams_cut_total',
    help: 'Runs under way that were ended: policy, limit, cap, duration, gone, redis (no counters), spool (no record), unmeasured',
    labelNames: ['cause'],
    registers,
  });
  return {
    limitUsed: (tenant, limit, ratio) => use.set({ tenant, limit }, ratio),
    limitNear: (tenant, limit) => near.inc({ tenant, limit }),
    limitOverrun: (tenant, limit) => overruns.inc({ tenant, limit }),
    limitToppedUp: (result) => topUps.inc({ result }),
    runCut: (cause) => cuts.inc({ cause }),
  };
}

function createRunTotals(registers: Registry[]): (run: RunSummary) => void {
  const runs = new Counter({
    name: 'hoc_runs_total',
    help: 'Runs that reached a terminal status',
    labelNames: ['tenant', 'provider', 'dialect', 'model', 'status'],
    registers,
  });
  const decisions = new Counter({
    name: 'hoc_decisions_total',
    help: 'Decisions by verdict, and by refusal code where one refused',
    labelNames: ['tenant', 'verdict', 'code'],
    registers,
  });
  const tokens = new Counter({
    name: 'hoc_tokens_total',
    help: 'Tokens as providers reported them',
    labelNames: ['tenant', 'provider', 'model', 'direction'],
    registers,
  });
  const cost = new Counter({
    name: 'hoc_cost_nano_usd_total',
    help: 'Settled cost in nano-USD (1 USD = 1e9)',
    labelNames: ['tenant', 'provider', 'model'],
    registers,
  });
  const marks = new Counter({
    name: 'hoc_run_marks_total',
    help: 'Runs that carry a mark, such as unpriced or usage_missing',
    labelNames: ['tenant', 'mark'],
    registers,
  });
  return ({ tenant, provider, dialect, model, ...run }) => {
    for (const mark of run.marks) marks.inc({ tenant, mark }, run.count);
    runs.inc({ tenant, provider, dialect, model, status: run.status }, run.count);
    decisions.inc({ tenant, verdict: run.verdict, code: run.refusalCode ?? '' }, run.count);
    if (run.inputTokens > 0) tokens.inc({ tenant, provider, model, direction: 'input' }, run.inputTokens);
    if (run.outputTokens > 0) tokens.inc({ tenant, provider, model, direction: 'output' }, run.outputTokens);
    if (run.costNanoUsd > 0n) cost.inc({ tenant, provider, model }, Number(run.costNanoUsd));
  };
}

function createPolicyTotals(registers: Registry[]): (run: RunSummary) => void {
  const matches = new Counter({
    name: 'hoc_policy_matches_total',
    help: 'Runs in which a policy matched, by its verdict; in mode shadow without effect',
    labelNames: ['tenant', 'policy', 'phase', 'mode', 'verdict'],
    registers,
  });
  const undecided = new Counter({
    name: 'hoc_policy_undecided_total',
    help: 'Runs in which the condition of a policy could not be told, so that its onError decided',
    labelNames: ['tenant', 'policy', 'phase'],
    registers,
  });
  const failedChanges = new Counter({
    name: 'hoc_policy_changes_failed_total',
    help: 'Changes that policies asked for and that could not be made, so that their onError decided',
    labelNames: ['tenant', 'change'],
    registers,
  });
  return ({ tenant, policies, failedChanges: failed, count }) => {
    for (const { policy, phase, mode, verdict, indeterminate } of policies) {
      if (!indeterminate || verdict !== 'allow') matches.inc({ tenant, policy, phase, mode, verdict }, count);
      if (indeterminate) undecided.inc({ tenant, policy, phase }, count);
    }
    for (const change of failed) failedChanges.inc({ tenant, change }, count);
  };
}

function createRunTimes(registers: Registry[]): (run: RunSummary) => void {
  const latency = new Histogram({
    name: 'hoc_run_duration_seconds',
    help: 'Accepted request to terminal record',
    labelNames: ['provider', 'status'],
    buckets: secondsBuckets,
    registers,
  });
  const firstToken = new Histogram({
    name: 'hoc_time_to_first_token_seconds',
    help: 'Accepted request to first body byte of the answer',
    labelNames: ['provider'],
    buckets: secondsBuckets,
    registers,
  });
  const overhead = new Histogram({
    name: 'hoc_stage_duration_seconds',
    help: `Time the proxy's own stages took, of one run in ${stageSampling}`,
    labelNames: ['stage'],
    buckets: stageBuckets,
    registers,
  });
  let seen = 0;
  return (run) => {
    latency.observe({ provider: run.provider, status: run.status }, run.latencyMs / 1000);
    if (run.ttftMs !== null) firstToken.observe({ provider: run.provider }, run.ttftMs / 1000);
    seen += 1;
    if (seen % stageSampling !== 0) return;
    for (const { stage, us } of run.stageUs) {
      if (!foreignStages.has(stage)) overhead.observe({ stage }, us / 1_000_000);
    }
  };
}

function registerProbes(probes: TelemetryProbes, registers: Registry[]): void {
  let leasesLost = 0;
  new Counter({
    name: 'hoc_proxy_leases_lost_total',
    help: 'How often the lease of the proxy id was gone when it should have been held',
    registers,
    collect() {
      this.inc(probes.leasesLost() - leasesLost);
      leasesLost = probes.leasesLost();
    },
  });
  new Gauge({
    name: 'hoc_spool_bytes',
    help: 'Bytes in the spool that are not yet acknowledged by ClickHouse',
    registers,
    collect() {
      this.set(probes.spool().bytes);
    },
  });
  new Gauge({
    name: 'hoc_spool_age_seconds',
    help: 'Age of the oldest segment in the spool',
    registers,
    collect() {
      this.set(probes.spool().oldestAgeSeconds);
    },
  });
  new Gauge({
    name: 'hoc_snapshot_age_seconds',
    help: 'Seconds since control last confirmed the snapshot in force; -1 before the first time',
    registers,
    collect() {
      this.set(probes.snapshotAgeSeconds());
    },
  });
}

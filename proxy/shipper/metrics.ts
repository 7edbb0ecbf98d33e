import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { ShipperTelemetry } from './ports.ts';

/** What the gauges show at the moment of a scrape. */
export interface ShipperProbes {
  backlogBytes(): number;
  /** Unix ms of the oldest record not yet acknowledged, or null. */
  oldestAtMs(): number | null;
  sealsPending(): number;
  openRuns(): number;
  unsettledRuns(): number;
  droppedOpenRuns(): number;
  /** Sequence numbers that no record was found for, since the spool exists. */
  sequenceGaps(): number;
  /** Bytes in quarantine, as of the last look. */
  quarantinedBytes(): number;
  nowMs(): number;
}

export interface ShipperMetrics {
  registry: Registry;
  telemetry: ShipperTelemetry;
}

type Log = (level: 'warn' | 'error', fields: Record<string, unknown>, message: string) => void;

/** Metrics of one shipper. Labels are closed sets. `log` is told what an operator should read, never a value from a run. */
export function createMetrics(proxyId: string, probes: ShipperProbes, log: Log): ShipperMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  registerGauges(registry, probes);
  registerProxyGauges(registry, proxyId, probes);
  const telemetry = createTelemetry(registerCounts(registry), { log, nowMs: probes.nowMs });
  return { registry, telemetry };
}

type Counts = ReturnType<typeof registerCounts>;

function registerCounts(registry: Registry) {
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name, help, labelNames: [...labelNames], registers: [registry] });
  return {
    records: counter('hoc_shipper_records_total', 'Records acknowledged by ClickHouse'),
    batches: counter('hoc_shipper_batches_total', 'Attempts to send a batch', ['result']),
    retried: counter('hoc_shipper_batches_retried_total', 'Attempts to send a batch after its first'),
    damaged: counter('hoc_spool_damaged_frames_total', 'Frames of the spool that are not as they were written'),
    quarantined: counter('hoc_shipper_quarantined_frames_total', 'Damaged or unreadable places in the spool', ['kind']),
    settled: counter('hoc_shipper_settled_total', 'Runs settled by the shipper'),
    abandoned: counter('hoc_shipper_abandoned_total', 'Runs closed because their proxy died'),
    failures: counter('hoc_shipper_failures_total', 'Failed attempts of the shipper', ['what']),
    refused: counter('hoc_shipper_refused_rows_total', 'Rows left out because ClickHouse can never store them'),
    lag: new Gauge({
      name: 'hoc_shipper_lag_seconds',
      help: 'Age of the oldest record of the last batch when it was acknowledged',
      registers: [registry],
    }),
  };
}

function createTelemetry(counts: Counts, { log, nowMs }: { log: Log; nowMs: () => number }): ShipperTelemetry {
  return {
    batchSent({ result, records, oldestAtMs }) {
      counts.batches.inc({ result });
      if (result === 'failed') return;
      counts.records.inc(records);
      if (oldestAtMs !== null) counts.lag.set(Math.max(0, nowMs() - oldestAtMs) / 1000);
    },
    retried: () => counts.retried.inc(),
    found(finding) {
      if (finding.kind === 'damaged_frame') counts.damaged.inc();
      counts.quarantined.inc({ kind: finding.kind });
      log('error', { ...finding }, 'the spool is not as it was written');
    },
    unreadable(input) {
      counts.damaged.inc(input.frames);
      counts.quarantined.inc({ kind: 'unreadable' }, input.frames);
      log('error', { ...input }, 'frames of the spool are no records');
    },
    refused({ batchId, rows }) {
      counts.refused.inc(rows);
      log('error', { batch: batchId, rows }, 'ClickHouse can never store these rows, and they were left out');
    },
    settled: (runs) => counts.settled.inc(runs),
    abandoned(runs) {
      counts.abandoned.inc(runs);
      log('warn', { runs }, 'runs of a dead proxy were closed as abandoned');
    },
    failed(what, error) {
      counts.failures.inc({ what });
      log('error', { what, err: error }, 'the shipper failed and will try again');
    },
  };
}

function registerGauges(registry: Registry, probes: ShipperProbes): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  gauge('hoc_spool_bytes', 'Bytes in the spool that ClickHouse has not acknowledged', probes.backlogBytes);
  gauge('hoc_spool_oldest_age_seconds', 'Age of the oldest record that ClickHouse has not acknowledged', () => {
    const oldestAtMs = probes.oldestAtMs();
    return oldestAtMs === null ? 0 : Math.max(0, probes.nowMs() - oldestAtMs) / 1000;
  });
  gauge('hoc_shipper_seals_pending', 'Seals that control has not acknowledged', probes.sealsPending);
  gauge('hoc_shipper_open_runs', 'Runs with an intent and no finish yet', probes.openRuns);
  gauge('hoc_shipper_unsettled_runs', 'Finished runs nobody is known to have settled', probes.unsettledRuns);
  gauge('hoc_shipper_open_runs_dropped', 'Open runs given up because there were too many', probes.droppedOpenRuns);
}

/** What stands until somebody has looked after it. */
function registerProxyGauges(registry: Registry, proxyId: string, probes: ShipperProbes): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['proxy'],
      registers: [registry],
      collect() {
        this.set({ proxy: proxyId }, read());
      },
    });
  gauge('hoc_sequence_gaps', 'Sequence numbers of the proxy that no record was found for', probes.sequenceGaps);
  gauge('hoc_spool_quarantined_bytes', 'Bytes of the spool that lie in quarantine', probes.quarantinedBytes);
}

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { createHealthMetrics } from './health-metrics.ts';
import type { MetricsPort } from './operations/ports.ts';

export interface ControlMetrics extends MetricsPort {
  /** Route pattern, never a path with values. */
  answered(route: string, status: number): void;
  contentType: string;
  /** The registry in Prometheus' text form. */
  render(): Promise<string>;
}

/** Makes control's metrics in a registry of their own. Labels are bounded sets: acts, results, route patterns, statuses. */
export function createMetrics(): ControlMetrics {
  const registers = [new Registry()];
  const [registry = new Registry()] = registers;
  collectDefaultMetrics({ register: registry });
  const audit = new Counter({
    name: 'hoc_audit_entries_total',
    help: 'Audit entries appended',
    labelNames: ['act'],
    registers,
  });
  const manifest = new Gauge({ name: 'hoc_manifest_sequence', help: 'Sequence of the manifest in force', registers });
  const apply = new Histogram({
    name: 'hoc_apply_duration_seconds',
    help: 'Duration of configuration applies',
    labelNames: ['result'],
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30],
    registers,
  });
  let rollupsFreshMs = Date.now();
  new Gauge({
    name: 'hoc_rollup_age_seconds',
    help: 'Age of the oldest stored runs that are not in the rollups, since the start where nothing is known',
    registers,
    collect() {
      this.set(Math.max(0, Date.now() - rollupsFreshMs) / 1_000);
    },
  });
  const nodes = new Gauge({ name: 'hoc_nodes', help: 'Enrolled nodes', registers });
  const requests = new Counter({
    name: 'hoc_api_requests_total',
    help: 'Requests to the console API',
    labelNames: ['route', 'status'],
    registers,
  });
  return {
    auditAppended: (act, count) => audit.inc({ act }, count),
    manifestIssued: (sequence) => manifest.set(sequence),
    applied: (result, durationMs) => apply.observe({ result }, durationMs / 1_000),
    nodesEnrolled: (count) => nodes.set(count),
    rollupsFresh: (atMs) => {
      rollupsFreshMs = atMs;
    },
    ...createHealthMetrics(registers),
    answered: (route, status) => requests.inc({ route, status: String(status) }),
    contentType: registry.contentType,
    render: () => registry.metrics(),
  };
}

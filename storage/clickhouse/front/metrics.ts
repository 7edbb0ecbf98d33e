import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Engine } from './engine.ts';
import type { LaneName } from './lanes.ts';

export interface FrontMetrics {
  registry: Registry;
  /** Counts one finished query. Labels are closed sets; never query text or table names. */
  observe(lane: LaneName | 'none', outcome: 'ok' | 'error', seconds: number): void;
}

/** The front's own registry; the gauges read the lanes at each scrape. */
export function createFrontMetrics(engine: Engine): FrontMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const queries = new Counter({
    name: 'hoc_clickhouse_queries_total',
    help: 'Queries by lane and outcome',
    labelNames: ['lane', 'outcome'],
    registers: [registry],
  });
  const duration = new Histogram({
    name: 'hoc_clickhouse_query_seconds',
    help: 'Time from the request to the end of its answer, by lane',
    labelNames: ['lane'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
    registers: [registry],
  });
  new Gauge({
    name: 'hoc_clickhouse_lane_queries',
    help: 'Queries now running and waiting, by lane',
    labelNames: ['lane', 'state'],
    registers: [registry],
    collect() {
      for (const [lane, gate] of Object.entries(engine.gates)) {
        this.set({ lane, state: 'running' }, gate.running());
        this.set({ lane, state: 'waiting' }, gate.waiting());
      }
    },
  });
  return {
    registry,
    observe(lane, outcome, seconds) {
      queries.inc({ lane, outcome });
      duration.observe({ lane }, seconds);
    },
  };
}

import { Counter, Gauge, type Registry } from 'prom-client';
import type { SpoolReport } from '../storage/schema/live.ts';
import type { MetricsPort } from './operations/ports.ts';

type HealthMetrics = Pick<
  MetricsPort,
  'countersInvalid' | 'countersSeen' | 'rebuildEnded' | 'rebuildsWait' | 'spoolsSeen' | 'sequencesSeen' | 'redisSeen'
>;

/** What control shows of every spool, from its last report. */
const spoolGauges: readonly { name: string; help: string; read(report: SpoolReport): number }[] = [
  {
    name: 'hoc_spool_backlog_bytes',
    help: 'Bytes in a spool that ClickHouse has not acknowledged',
    read: (report) => report.backlog_bytes,
  },
  {
    name: 'hoc_spool_quarantined_bytes',
    help: 'Bytes of damaged frames kept aside beside a spool',
    read: (report) => report.quarantined_bytes,
  },
  {
    name: 'hoc_spool_damaged_frames_total',
    help: 'Frames of a spool that were damaged, since it exists',
    read: (report) => report.damaged_frames,
  },
  {
    name: 'hoc_spool_torn_tails_total',
    help: 'Torn ends of a spool that were cut, since it exists',
    read: (report) => report.torn_tails,
  },
  {
    name: 'hoc_spool_missing_segments_total',
    help: 'Segments of a spool that were gone before they were shipped, since it exists',
    read: (report) => report.missing_segments,
  },
  {
    name: 'hoc_spool_refused_rows_total',
    help: 'Rows of a spool that ClickHouse can never store, since it exists',
    read: (report) => report.refused_rows,
  },
  {
    name: 'hoc_proxy_leases_lost_total',
    help: 'Times that a proxy lost the lease on its spool, since the spool exists',
    read: (report) => report.lost_leases,
  },
];

/** Makes the metrics of counters, spools and record sequences. Labels are tenants and proxies: what exists. */
export function createHealthMetrics(registers: Registry[]): HealthMetrics {
  const ofProxy = (name: string, help: string) => new Gauge({ name, help, labelNames: ['proxy'], registers });
  const valid = new Gauge({
    name: 'hoc_counters_valid',
    help: '1 where the limit counters of a tenant are valid, 0 while they are rebuilt',
    labelNames: ['tenant'],
    registers,
  });
  const invalid = new Gauge({
    name: 'hoc_counters_invalid',
    help: 'Tenants whose limit counters are invalid',
    registers,
  });
  const rebuilds = new Counter({
    name: 'hoc_counter_rebuilds_total',
    help: 'Rebuilds of limit counters that ended, and tries that failed',
    labelNames: ['result'],
    registers,
  });
  const waiting = ofProxy(
    'hoc_counter_rebuilds_waiting',
    'Rebuilds of limit counters that wait for the spool of a proxy',
  );
  const age = ofProxy('hoc_spool_report_age_seconds', 'Time since the shipper of a proxy last reported on its spool');
  const gaps = ofProxy('hoc_sequence_gaps', 'Ranges that are missing in the recorded sequence of a proxy');
  const evicts = new Gauge({ name: 'hoc_redis_evicts', help: '1 where Redis may evict keys', registers });
  const persists = new Gauge({ name: 'hoc_redis_persists', help: '1 where Redis keeps its data on a disk', registers });
  const spools = spoolGauges.map(({ name, help, read }) => ({ gauge: ofProxy(name, help), read }));
  return {
    countersInvalid: (tenants) => invalid.set(tenants),
    countersSeen(tenants) {
      valid.reset();
      for (const one of tenants) valid.set({ tenant: one.tenant }, one.valid ? 1 : 0);
    },
    rebuildEnded: (result) => rebuilds.inc({ result }),
    rebuildsWait: (proxies) => showAll(waiting, proxies),
    spoolsSeen(seen) {
      showAll(age, new Map(seen.map(({ report, ageMs }) => [report.proxy_id, ageMs / 1_000])));
      for (const { gauge, read } of spools) {
        showAll(gauge, new Map(seen.map(({ report }) => [report.proxy_id, read(report)])));
      }
    },
    sequencesSeen: (missing) => showAll(gaps, missing),
    redisSeen(server) {
      evicts.set(server.evicts ? 1 : 0);
      persists.set(server.persists ? 1 : 0);
    },
  };
}

/** Shows these proxies and no others. */
function showAll(gauge: Gauge<'proxy'>, values: ReadonlyMap<string, number>): void {
  gauge.reset();
  for (const [proxy, value] of values) gauge.set({ proxy }, value);
}

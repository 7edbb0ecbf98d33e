import { Counter, Gauge, type Registry } from 'prom-client';
import type { SpoolReport } from '../storage/schema/live.ts';
import type { MetricsPort } from './operations/ports.ts';

type HealthMetrics = Pick<
  MetricsPort,
  | 'countersInvalid'
  | 'countersSeen'
  | 'rebuildEnded'
  | 'reservationsExpired'
  | 'rebuildsWait'
  | 'spoolsSeen'
  | 'sequencesSeen'
  | 'redisSeen'
>;

/** What control shows of every spool, from its last report. Totals count since the spool exists. */
const spoolGauges: readonly [
  name: string,
  field: { [Field in keyof SpoolReport]: SpoolReport[Field] extends number ? Field : never }[keyof SpoolReport],
  help: string,
][] = [
  ['hoc_spool_backlog_bytes', 'backlog_bytes', 'Bytes in a spool that ClickHouse has not acknowledged'],
  ['hoc_spool_quarantined_bytes', 'quarantined_bytes', 'Bytes of damaged frames kept aside beside a spool'],
  ['hoc_spool_damaged_frames_total', 'damaged_frames', 'Frames of a spool that were damaged'],
  ['hoc_spool_torn_tails_total', 'torn_tails', 'Torn ends of a spool that were cut'],
  [
    'hoc_spool_missing_segments_total',
    'missing_segments',
    'Segments of a spool that were gone before they were shipped',
  ],
  ['hoc_spool_refused_rows_total', 'refused_rows', 'Rows of a spool that ClickHouse can never store'],
  ['hoc_proxy_leases_lost_total', 'lost_leases', 'Times that a proxy lost the lease on its spool'],
];

/** Makes the metrics of counters, spools and record sequences. Labels are tenants and proxies: what exists. */
export function createHealthMetrics(registers: Registry[]): HealthMetrics {
  const gaps = ofProxy(registers, 'hoc_sequence_gaps', 'Ranges that are missing in the recorded sequence of a proxy');
  const evicts = new Gauge({ name: 'hoc_redis_evicts', help: '1 where Redis may evict keys', registers });
  const persists = new Gauge({ name: 'hoc_redis_persists', help: '1 where Redis keeps its data on a disk', registers });
  return {
    ...createCounterMetrics(registers),
    spoolsSeen: createSpoolMetrics(registers),
    sequencesSeen: (missing) => showAll(gaps, missing),
    redisSeen(server) {
      evicts.set(server.evicts ? 1 : 0);
      persists.set(server.persists ? 1 : 0);
    },
  };
}

function createCounterMetrics(
  registers: Registry[],
): Omit<HealthMetrics, 'spoolsSeen' | 'sequencesSeen' | 'redisSeen'> {
  const ofTenant = (name: string, help: string) => new Gauge({ name, help, labelNames: ['tenant'], registers });
  const valid = ofTenant(
    'hoc_counters_valid',
    '1 where the limit counters of a tenant are valid, 0 while they are rebuilt',
  );
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
  const expired = ofTenant(
    'hoc_reservations_expired_total',
    'Reservations that nobody settled in time and that counted as spent, since the counters of the tenant stand',
  );
  const waiting = ofProxy(
    registers,
    'hoc_counter_rebuilds_waiting',
    'Rebuilds of limit counters that wait for the spool of a proxy',
  );
  return {
    countersInvalid: (tenants) => invalid.set(tenants),
    countersSeen(tenants) {
      valid.reset();
      for (const one of tenants) valid.set({ tenant: one.tenant }, one.valid ? 1 : 0);
    },
    rebuildEnded: (result) => rebuilds.inc({ result }),
    reservationsExpired: (tenant, count) => expired.set({ tenant }, count),
    rebuildsWait: (proxies) => showAll(waiting, proxies),
  };
}

function createSpoolMetrics(registers: Registry[]): HealthMetrics['spoolsSeen'] {
  const age = ofProxy(
    registers,
    'hoc_spool_report_age_seconds',
    'Time since the shipper of a proxy last reported on its spool',
  );
  const gauges = spoolGauges.map(([name, field, help]) => ({ gauge: ofProxy(registers, name, help), field }));
  return (seen) => {
    showAll(age, new Map(seen.map(({ report, ageMs }) => [report.proxy_id, ageMs / 1_000])));
    for (const { gauge, field } of gauges) {
      showAll(gauge, new Map(seen.map(({ report }) => [report.proxy_id, report[field]])));
    }
  };
}

function ofProxy(registers: Registry[], name: string, help: string): Gauge<'proxy'> {
  return new Gauge({ name, help, labelNames: ['proxy'], registers });
}

/** Shows these proxies and no others. */
function showAll(gauge: Gauge<'proxy'>, values: ReadonlyMap<string, number>): void {
  gauge.reset();
  for (const [proxy, value] of values) gauge.set({ proxy }, value);
}

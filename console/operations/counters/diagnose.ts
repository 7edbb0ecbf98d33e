import type { CounterRebuildRow, SpoolRow } from '../../../storage/schema/control.ts';
import type { SpoolReport } from '../../../storage/schema/live.ts';
import type { ControlContext } from '../context.ts';
import { error, listSome, ok, type Verdict, warning } from '../verdict.ts';
import { type CounterHealth, readWaiting } from './health.ts';
import { type CounterCause, causeWords, findInvalidCounters } from './invalid.ts';
import { readReport, silentMs, type Waited, waitWords } from './waiting.ts';

const secondMs = 1_000;
const lateMs = 60_000;
/** Half of what a proxy lets its spool grow to unless it is told otherwise. */
const largeBytes = 4 * 1024 ** 3;

/** Whether all counters are valid, why not, and what their rebuilds wait for. Rejects where an engine does not answer. */
export async function examineCounters(context: ControlContext, health: CounterHealth): Promise<Verdict[]> {
  const { evicts, persists } = await context.counters.server();
  const findings: Verdict[] = [];
  if (evicts) {
    findings.push(error('Redis may evict keys, so no counter can be trusted: set its maxmemory-policy to noeviction'));
  }
  if (!persists) {
    const consequence = 'with every restart all limits refuse until their counters are rebuilt';
    findings.push(warning(`Redis keeps nothing on a disk, so ${consequence}: set appendonly yes`));
  }
  const nowMs = context.now();
  for (const rebuild of health.rebuilds) findings.push(describeRebuild(rebuild, nowMs));
  const isRebuilding = new Set(health.rebuilds.map((rebuild) => rebuild.tenant));
  const tenants = (await context.store.transaction((tx) => tx.readTenants())).filter(
    (row) => row.counters_written && row.state !== 'terminated' && !isRebuilding.has(row.slug),
  );
  const invalid = await findInvalidCounters(context, tenants);
  if (invalid.length > 0) {
    const names = listSome(invalid.map(({ tenant, cause }) => `${tenant} (${causeWords[cause]})`));
    findings.push(error(`Counters are invalid, and control has not begun to rebuild them yet: ${names}`));
  }
  findings.push(...(await examineExpired(context, tenants)));
  return findings.length === 0 ? [ok('All limit counters are valid, and Redis keeps them')] : findings;
}

/** Reservations that a proxy made and neither it nor a shipper settled, as where it died before the run was on record. */
async function examineExpired(context: ControlContext, tenants: readonly { slug: string }[]): Promise<Verdict[]> {
  const found = await Promise.all(
    tenants.map(async ({ slug }) => ({ slug, ...(await context.counters.look(slug)).expired })),
  );
  return found.flatMap(({ slug, count, madeGood, firstAtMs, lastAtMs }) => {
    const left = count - madeGood;
    if (left <= 0 || firstAtMs === null || lastAtMs === null) return [];
    const [first, last] = [firstAtMs, lastAtMs].map((ms) => new Date(ms).toISOString());
    const meaning = 'they count as spent, so its limits are on the safe side until their windows end';
    const cause = 'their proxies ended before the runs were on record, or their shippers do not settle';
    const message = `${slug}: ${left} reservations expired unsettled since ${first}, the last at ${last}: ${meaning}; ${cause}`;
    // Not how many: rebuilt counters begin at none, and one that is made good can hide one that is new.
    const found = { ranges: [[firstAtMs, lastAtMs] as const] };
    return [{ ...warning(message), damage: { id: `counters/${slug}/expired`, found } }];
  });
}

function describeRebuild(rebuild: CounterRebuildRow, nowMs: number): Verdict {
  const cause = causeWords[rebuild.cause as CounterCause] ?? rebuild.cause;
  const sinceS = Math.round((nowMs - rebuild.opened_at_ms) / secondMs);
  const begin = `The counters of ${rebuild.tenant} are being rebuilt for ${sinceS} s, until then its limits refuse (${cause})`;
  const waiting = readWaiting(rebuild);
  if (waiting.length === 0) return error(`${begin}; nothing is waited for but Redis and ClickHouse`);
  return error(`${begin}; waiting for ${listSome(waiting.map(describeWaited))}`);
}

function describeWaited({ proxy, why }: Waited): string {
  return `${proxy}: ${waitWords[why]} (or go on without its records: hoc limits accept-gap --proxy ${proxy})`;
}

/** What is wrong with the spools, by the last report of each shipper. */
export function examineSpools(spools: readonly SpoolRow[], nowMs: number): Verdict[] {
  const findings = spools.flatMap((spool) => examineSpool(spool, nowMs));
  if (findings.length > 0) return findings;
  if (spools.length === 0) return [warning('No shipper has reported on a spool yet')];
  const waiting = spools.reduce((sum, spool) => sum + (readReport(spool)?.backlog_bytes ?? 0), 0);
  return [ok(`${spools.length} spools report, ${waiting} bytes wait in them`)];
}

function examineSpool(spool: SpoolRow, nowMs: number): Verdict[] {
  const { proxy_id: proxy } = spool;
  const report = readReport(spool);
  if (report === null || spool.reported_at_ms === null) {
    // Its shipper may be starting too.
    if (nowMs - spool.known_at_ms <= silentMs) return [];
    return [error(`${proxy}: no shipper reports on its spool; start hoc shipper beside it, with HOC_CONTROL_URL set`)];
  }
  const silentForMs = nowMs - spool.reported_at_ms;
  const findings = [...examineShipping(report, nowMs), ...examineDamage(report)];
  if (silentForMs <= silentMs) return findings;
  const isDone = !report.running && report.backlog_bytes === 0 && report.open_runs === 0;
  const silent = `${proxy}: its shipper has been silent for ${Math.round(silentForMs / secondMs)} s`;
  if (!isDone)
    return [error(`${silent} with runs left; start it again, or see whether it reaches control`), ...findings];
  const forget = `hoc limits accept-gap --proxy ${proxy}`;
  return [warning(`${silent}, and had nothing left; if the proxy is gone for good, forget it: ${forget}`), ...findings];
}

function examineShipping(report: SpoolReport, nowMs: number): Verdict[] {
  const { proxy_id: proxy, backlog_bytes: bytes, oldest_at_ms: oldestAtMs } = report;
  const findings: Verdict[] = [];
  const ageMs = oldestAtMs === null ? 0 : nowMs - oldestAtMs;
  if (bytes > 0 && ageMs > lateMs) {
    const message = `${bytes} bytes wait for ${Math.round(ageMs / secondMs)} s; does ClickHouse answer and take batches?`;
    findings.push(error(`${proxy}: ${message}`));
  }
  if (bytes > largeBytes) {
    findings.push(error(`${proxy}: its spool fills up (${bytes} bytes); when it is full the proxy refuses all runs`));
  }
  return findings;
}

function examineDamage(report: SpoolReport): Verdict[] {
  const { proxy_id: proxy } = report;
  const kinds = {
    damaged_frames: 'damaged frames in its spool, each a record that may be lost; check the disk',
    quarantined_bytes: 'bytes are quarantined beside its spool: read them out or delete them there',
    missing_segments: 'segments of its spool were gone before they were shipped; who deletes there?',
    refused_rows: 'rows were refused by ClickHouse and are not on record; its log names them',
  } as const;
  const found = (Object.keys(kinds) as (keyof typeof kinds)[]).filter((kind) => report[kind] > 0);
  return [
    ...found.map((kind) => ({
      ...error(`${proxy}: ${report[kind]} ${kinds[kind]}`),
      damage: { id: `spool/${proxy}/${kind}`, found: { count: report[kind] } },
    })),
    ...findLostLeases(report),
  ];
}

/** It stays on record for as long as the spool exists, so it may not keep an installation from being well again. */
function findLostLeases({ proxy_id: proxy, lost_leases: count }: SpoolReport): Verdict[] {
  if (count === 0) return [];
  const causes = 'Redis lost its data or the proxy stood still; if it goes on, another proxy runs under this id';
  const damage = { id: `spool/${proxy}/lost_leases`, found: { count } };
  return [{ ...warning(`${proxy}: ${count} times its lease was lost since its spool exists: ${causes}`), damage }];
}

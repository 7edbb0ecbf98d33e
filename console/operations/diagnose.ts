import { HocError } from '../../storage/schema/errors.ts';
import type { DoctorFinding } from '../contract/api.ts';
import type { ControlContext } from './context.ts';
import { examineCounters, examineSpools } from './counters/diagnose.ts';
import { readCounterHealth } from './counters/health.ts';
import { isSignedBy } from './snapshot/signature.ts';
import { error, listSome, ok, type Verdict, warning } from './verdict.ts';

/** Checks that need drivers which operations do not otherwise use; each throws where its engine does not answer. */
export interface DiagnosisPort {
  pingRedis(): Promise<void>;
  pingQueue(): Promise<void>;
  pingClickHouse(): Promise<void>;
  /** Names of Postgres migrations that have not run. */
  pendingMigrations(): Promise<readonly string[]>;
  /** The same of ClickHouse. */
  pendingClickHouseMigrations(): Promise<readonly string[]>;
  /** How far each proxy epoch is recorded, and the ranges that are missing. */
  sequences(): Promise<
    readonly { proxyId: string; proxyEpoch: number; gaps: readonly { from: number; to: number }[] }[]
  >;
}

/** Runs one check; one that cannot be made is an error itself, with the reason as far as it may be shown. */
async function examine(check: string, run: () => Promise<Verdict | readonly Verdict[]>): Promise<DoctorFinding[]> {
  try {
    return [await run()].flat().map((verdict) => ({ check, ...verdict }));
  } catch (failure) {
    // A client library's own words help nobody at night; the log has them.
    const reason = failure instanceof HocError ? failure.publicMessage : 'the engine does not answer';
    return [{ check, severity: 'error', message: `Could not be checked: ${reason.slice(0, 200)}` }];
  }
}

/** Examines the installation: engines, migrations, manifest on every proxy, counters, spools, records and logs. Never throws. */
export async function diagnose(context: ControlContext, port: DiagnosisPort): Promise<DoctorFinding[]> {
  const checks = await Promise.all([
    examine('postgres', async () => {
      await context.store.ping();
      return ok('PostgreSQL answers');
    }),
    examine('redis', async () => {
      await port.pingRedis();
      return ok('Redis answers');
    }),
    examine('queue', async () => {
      await port.pingQueue();
      return ok('The queue’s Redis answers');
    }),
    examine('clickhouse', async () => {
      await port.pingClickHouse();
      return ok('ClickHouse answers');
    }),
    examine('migrations', async () => {
      const pending = [...(await port.pendingMigrations()), ...(await port.pendingClickHouseMigrations())];
      return pending.length === 0
        ? ok('All migrations have run')
        : error(`Not run yet, use hoc migrate: ${listSome(pending)}`);
    }),
    examine('manifest', () => examineManifest(context)),
    examine('counters', async () => examineCounters(context, await readCounterHealth(context))),
    examine('spools', async () => examineSpools((await readCounterHealth(context)).spools, context.now())),
    examine('record sequences', async () => {
      const gaps = (await port.sequences()).flatMap(({ proxyId, proxyEpoch, gaps: missing }) =>
        missing.map(({ from, to }) => `${proxyId} epoch ${proxyEpoch}, ${from} to ${to}`),
      );
      if (gaps.length === 0) return ok('No gap in any proxy’s sequence');
      return error(`Records are missing, look for them in quarantine and backups of the spools: ${listSome(gaps)}`);
    }),
    examine('audit sequences', async () => {
      const holes = await context.store.transaction((tx) => tx.readAuditHoles());
      if (holes.length === 0) return ok('Every audit log is gapless');
      return error(`Holes in the logs of: ${listSome(holes.map((hole) => hole.tenant || 'the platform'))}`);
    }),
  ]);
  return checks.flat();
}

async function examineManifest(context: ControlContext): Promise<Verdict> {
  const manifest = await context.store.transaction((tx) => tx.readLatestManifest());
  if (manifest === null) return error('There is no manifest yet');
  if (!isSignedBy(context.snapshotKey, manifest.bytes, manifest.signature)) {
    return error(`Manifest ${manifest.sequence} is not signed with this snapshot key`);
  }
  const live = await context.live.read();
  if (live.length === 0) return warning(`Manifest ${manifest.sequence} is in force, but no proxy reports itself`);
  const behind = live.filter((proxy) => proxy.manifest_id !== manifest.id).map((proxy) => proxy.proxy_id);
  if (behind.length > 0) return error(`Manifest ${manifest.sequence} is not in force on: ${listSome(behind)}`);
  return ok(`Manifest ${manifest.sequence} is in force on ${live.length} of ${live.length} proxies`);
}

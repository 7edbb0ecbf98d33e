import { HocError } from '../../storage/schema/errors.ts';
import type { DoctorFinding } from '../contract/api.ts';
import type { ControlContext } from './context.ts';
import { findInvalidCounters } from './snapshot/epochs.ts';
import { isSignedBy } from './snapshot/signature.ts';

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

type Verdict = Omit<DoctorFinding, 'check'>;

const ok = (message: string): Verdict => ({ severity: 'ok', message });
const error = (message: string): Verdict => ({ severity: 'error', message });
const warning = (message: string): Verdict => ({ severity: 'warning', message });

const shown = 10;

function listSome(items: readonly string[]): string {
  const rest = items.length - shown;
  return items.slice(0, shown).join('; ') + (rest > 0 ? `; and ${rest} more` : '');
}

/** Runs one check; one that cannot be made is an error itself, with the reason as far as it may be shown. */
async function examine(check: string, run: () => Promise<Verdict>): Promise<DoctorFinding> {
  try {
    return { check, ...(await run()) };
  } catch (failure) {
    // A client library's own words help nobody at night; the log has them.
    const reason = failure instanceof HocError ? failure.publicMessage : 'the engine does not answer';
    return { check, severity: 'error', message: `Could not be checked: ${reason.slice(0, 200)}` };
  }
}

/** Examines the installation: engines, migrations, manifest on every proxy, counters, records and logs. Never throws. */
export async function diagnose(context: ControlContext, port: DiagnosisPort): Promise<DoctorFinding[]> {
  return Promise.all([
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
    examine('counters', async () => {
      const invalid = await findInvalidCounters(context);
      return invalid.length === 0
        ? ok('All limit counters are valid')
        : error(`Redis lost the counters of: ${listSome(invalid)}`);
    }),
    examine('record sequences', async () => {
      const gaps = (await port.sequences()).flatMap(({ proxyId, proxyEpoch, gaps: missing }) =>
        missing.map(({ from, to }) => `${proxyId} epoch ${proxyEpoch}, ${from} to ${to}`),
      );
      return gaps.length === 0 ? ok('No gap in any proxy’s sequence') : error(`Gaps: ${listSome(gaps)}`);
    }),
    examine('audit sequences', async () => {
      const holes = await context.store.transaction((tx) => tx.readAuditHoles());
      if (holes.length === 0) return ok('Every audit log is gapless');
      return error(`Holes in the logs of: ${listSome(holes.map((hole) => hole.tenant || 'the platform'))}`);
    }),
  ]);
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

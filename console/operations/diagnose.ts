import type { Principal } from '../../storage/schema/control.ts';
import type { AcknowledgedFinding, DoctorFinding } from '../contract/api.ts';
import { acknowledgeDamage, showVerdict } from './acknowledgements.ts';
import type { ControlContext } from './context.ts';
import { examineCounters, examineSpools } from './counters/diagnose.ts';
import { readCounterHealth } from './counters/health.ts';
import {
  type EngineAddresses,
  type EngineName,
  engineNames,
  examineEngine,
  explainFailure,
} from './diagnose-engines.ts';
import { isSignedBy } from './snapshot/signature.ts';
import { error, listSome, ok, type Verdict, warning } from './verdict.ts';

/** Checks that need drivers which operations do not otherwise use; each throws where its engine does not answer. */
export interface DiagnosisPort {
  addresses: EngineAddresses;
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

interface Check {
  name: string;
  /** Without any of them it cannot be made. */
  needs: readonly EngineName[];
  run(): Promise<Verdict | readonly Verdict[]>;
}

function listChecks(context: ControlContext, port: DiagnosisPort): readonly Check[] {
  return [
    { name: 'migrations', needs: ['postgres', 'clickhouse'], run: () => examineMigrations(port) },
    { name: 'manifest', needs: ['postgres', 'redis'], run: () => examineManifest(context) },
    {
      name: 'counters',
      needs: ['postgres', 'redis'],
      run: async () => examineCounters(context, await readCounterHealth(context)),
    },
    {
      name: 'spools',
      needs: ['postgres'],
      run: async () => examineSpools((await readCounterHealth(context)).spools, context.now()),
    },
    { name: 'record sequences', needs: ['clickhouse'], run: () => examineSequences(port) },
    { name: 'audit sequences', needs: ['postgres'], run: () => examineAuditLogs(context) },
  ];
}

/**
 * Examines the installation: engines, migrations, manifest on every proxy, counters, spools, records and logs. Never throws:
 * a check that cannot be made is an error itself, with the engine that it lacks.
 */
export async function diagnose(context: ControlContext, port: DiagnosisPort): Promise<DoctorFinding[]> {
  const findings = await examineAll(context, port);
  const acknowledgements = await readAcknowledgements(context).catch((failure: unknown) => {
    context.log.warn({ err: failure }, 'acknowledgements could not be read');
    return new Map();
  });
  return findings.map(({ check, verdict }) => showVerdict(check, verdict, acknowledgements));
}

/** Acknowledges one finding of damage, as it is found at this moment. Throws as `acknowledgeDamage` does. */
export async function acknowledgeFinding(
  context: ControlContext,
  principal: Principal,
  { port, id, reason }: { port: DiagnosisPort; id: string; reason: string },
): Promise<AcknowledgedFinding> {
  const verdicts = (await examineAll(context, port)).map(({ verdict }) => verdict);
  return acknowledgeDamage(context, principal, { id, reason, verdicts });
}

async function examineAll(
  context: ControlContext,
  port: DiagnosisPort,
): Promise<readonly { check: string; verdict: Verdict }[]> {
  const pings: Readonly<Record<EngineName, () => Promise<void>>> = {
    postgres: () => context.store.ping(),
    redis: () => port.pingRedis(),
    queue: () => port.pingQueue(),
    clickhouse: () => port.pingClickHouse(),
  };
  const asked = engineNames.map(async (name) => {
    return { name, verdict: await examineEngine(name, pings[name], port.addresses) };
  });
  const examined = listChecks(context, port).map(async ({ name, needs, run }) => {
    try {
      return [await run()].flat().map((verdict) => ({ check: name, verdict }));
    } catch (failure) {
      context.log.warn({ err: failure, check: name }, 'a check of the doctor could not be made');
      const silent = (await Promise.all(asked)).filter(({ verdict }) => verdict.severity !== 'ok');
      return [{ check: name, verdict: explainFailure(failure, needs, new Set(silent.map((one) => one.name))) }];
    }
  });
  const engines = (await Promise.all(asked)).map(({ name, verdict }) => ({ check: name as string, verdict }));
  return [...engines, ...(await Promise.all(examined)).flat()];
}

async function readAcknowledgements(context: ControlContext) {
  const rows = await context.store.transaction((tx) => tx.readAcknowledgements());
  return new Map(rows.map((row) => [row.finding, row]));
}

async function examineMigrations(port: DiagnosisPort): Promise<Verdict> {
  const pending = [...(await port.pendingMigrations()), ...(await port.pendingClickHouseMigrations())];
  if (pending.length === 0) return ok('All migrations have run');
  return error(`Not run yet, use hoc migrate: ${listSome(pending)}`);
}

async function examineSequences(port: DiagnosisPort): Promise<readonly Verdict[]> {
  const broken = (await port.sequences()).filter(({ gaps }) => gaps.length > 0);
  if (broken.length === 0) return [ok('No gap in any proxy’s sequence')];
  return broken.map(({ proxyId, proxyEpoch, gaps }) => {
    const missing = listSome(gaps.map(({ from, to }) => `${from} to ${to}`));
    const begin = `Records of ${proxyId} epoch ${proxyEpoch} are missing: ${missing}`;
    return {
      ...error(`${begin}; look for them in quarantine and backups of its spool`),
      damage: {
        id: `gaps/${proxyId}/${proxyEpoch}`,
        found: { ranges: gaps.map(({ from, to }) => [from, to] as const) },
      },
    };
  });
}

async function examineAuditLogs(context: ControlContext): Promise<Verdict> {
  const holes = await context.store.transaction((tx) => tx.readAuditHoles());
  if (holes.length === 0) return ok('Every audit log is gapless');
  return error(`Holes in the logs of: ${listSome(holes.map((hole) => hole.tenant || 'the platform'))}`);
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

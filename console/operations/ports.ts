import type {
  AcknowledgementRow,
  ApiKeyRow,
  AuditEntryRow,
  AuditOpenValuesRow,
  BatchSealRow,
  CounterMarkRow,
  CounterRebuildRow,
  CredentialRow,
  DocumentRow,
  LimitRow,
  ManifestRow,
  NodeRow,
  PolicyRow,
  PolicyState,
  ProviderRow,
  ServiceTokenRow,
  SettingRow,
  SnapshotRow,
  SpoolRow,
  SubTenantStateRow,
  TenantObjects,
  TenantRow,
} from '../../storage/schema/control.ts';
import type { Decision, DecisionContext } from '../../storage/schema/decision.ts';
import type { LiveState, SpoolReport } from '../../storage/schema/live.ts';
import type { OpenDecision, PayloadHead } from '../../storage/schema/record.ts';
import type {
  CounterWindow,
  GoneRun,
  OpenReservation,
  Reading,
  RebuiltCounter,
} from '../../storage/schema/reservation.ts';
import type { RunRow } from '../../storage/schema/run.ts';
import type { TenantScope } from '../../storage/schema/scope.ts';
import type { CredentialDocument, LimitDimension, SealedCredentials } from '../../storage/schema/snapshot.ts';

/**
 * What operations need of the drivers. `main.ts` joins them; the compiler checks that they fit.
 */

interface Version {
  tenant: string;
  id: string;
  version: number;
}

type RebuildKey = Pick<CounterRebuildRow, 'tenant' | 'counter_epoch'>;

/** Statements on control's state; each runs inside the transaction that it was got from. */
export interface ControlTransaction {
  readTenant(slug: string): Promise<TenantRow | null>;
  readTenants(): Promise<TenantRow[]>;
  readTenantObjects(slugs: readonly string[]): Promise<TenantObjects[]>;
  insertTenant(row: TenantRow): Promise<void>;
  updateTenant(slug: string, set: Partial<Omit<TenantRow, 'slug'>>): Promise<void>;
  saveSubTenant(row: SubTenantStateRow): Promise<void>;
  deleteSubTenant(tenant: string, slug: string): Promise<void>;
  saveProvider(row: ProviderRow): Promise<void>;
  deleteProvider(tenant: string, slug: string): Promise<void>;
  readLiveCredentials(): Promise<CredentialRow[]>;
  readLatestCredential(tenant: string, provider: string): Promise<{ id: string; version: number } | null>;
  insertCredential(row: CredentialRow): Promise<void>;
  wipeCredentialsBelow(id: string, version: number): Promise<void>;
  readKey(id: string): Promise<ApiKeyRow | null>;
  readKeys(tenant: string | null): Promise<ApiKeyRow[]>;
  readKeysByHash(hashes: readonly string[]): Promise<ApiKeyRow[]>;
  insertKey(row: ApiKeyRow): Promise<void>;
  updateKey(id: string, set: Partial<Omit<ApiKeyRow, 'id' | 'tenant' | 'hash'>>): Promise<void>;
  unlistRevokedKeys(hash: string): Promise<string[]>;
  insertPolicy(row: PolicyRow): Promise<void>;
  updatePolicyState(version: Version, state: PolicyState): Promise<void>;
  readPolicyVersions(tenant: string): Promise<Map<string, number>>;
  insertLimit(row: LimitRow): Promise<void>;
  updateLimitState(version: Version, state: LimitRow['state']): Promise<void>;
  readNewestLimits(tenant: string, ids: readonly string[] | null): Promise<Map<string, LimitRow>>;
  lockSnapshot(): Promise<void>;
  saveDocument(row: DocumentRow): Promise<void>;
  readDocument(sha256: string): Promise<Buffer | null>;
  readLatestManifest(): Promise<ManifestRow | null>;
  insertManifest(row: ManifestRow): Promise<void>;
  saveSnapshots(rows: readonly SnapshotRow[]): Promise<void>;
  readSnapshot(id: string): Promise<SnapshotRow | null>;
  readNodeByToken(tokenHash: string): Promise<NodeRow | null>;
  readNodeByName(name: string): Promise<NodeRow | null>;
  saveNode(row: NodeRow): Promise<void>;
  countNodes(): Promise<number>;
  readServiceToken(tokenHash: string): Promise<ServiceTokenRow | null>;
  insertServiceToken(row: ServiceTokenRow): Promise<boolean>;
  readSetting(name: string): Promise<string | null>;
  saveSetting(row: SettingRow): Promise<void>;
  takeAuditSequences(tenant: string, count: number): Promise<number>;
  insertAuditEntries(entries: readonly AuditEntryRow[], open: readonly AuditOpenValuesRow[]): Promise<void>;
  readAuditHoles(): Promise<{ tenant: string; sequence: number; entries: number }[]>;
  insertBatchSeal(row: BatchSealRow): Promise<{ added: boolean; row: BatchSealRow }>;
  readAcknowledgements(): Promise<AcknowledgementRow[]>;
  saveAcknowledgement(row: AcknowledgementRow): Promise<void>;
  readSpools(): Promise<SpoolRow[]>;
  saveSpoolReport(row: { proxy_id: string; report: string; reported_at_ms: number }): Promise<void>;
  saveLiveProxies(rows: readonly { proxy_id: string; live_at_ms: number; live_epoch: number }[]): Promise<void>;
  deleteSpool(proxyId: string): Promise<void>;
  readRebuilds(): Promise<CounterRebuildRow[]>;
  saveRebuild(row: CounterRebuildRow): Promise<void>;
  updateRebuild(
    rebuild: RebuildKey,
    set: Partial<Pick<CounterRebuildRow, 'state' | 'accepted' | 'waiting' | 'wait_recorded'>>,
  ): Promise<boolean>;
  deleteRebuild(rebuild: RebuildKey): Promise<boolean>;
  saveMark(row: CounterMarkRow): Promise<void>;
  readMarks(rebuild: RebuildKey): Promise<CounterMarkRow[]>;
  takeLease(lease: { name: string; holder: string; ttlMs: number }): Promise<boolean>;
}

export interface ControlStorePort {
  transaction<T>(work: (tx: ControlTransaction) => Promise<T>): Promise<T>;
  ping(): Promise<void>;
}

/** Sealing of secrets at rest and to nodes. */
export interface VaultPort {
  seal(bound: string, secret: string): string;
  open(bound: string, envelope: string): string;
  sealToNode(node: { id: string; publicKey: string }, document: CredentialDocument): SealedCredentials;
  /** Throws `input_invalid` where the key is none. */
  checkNodeKey(publicKey: string): void;
}

/** Tells proxies that a manifest is in force. */
export interface ManifestChannelPort {
  publish(manifestId: string): Promise<void>;
}

/** The epoch keys in Redis that mark a tenant's counters as valid. */
export interface EpochsPort {
  writeIfAbsent(tenant: string, epoch: string): Promise<void>;
  /** Null where there is none. */
  read(tenant: string): Promise<string | null>;
}

/** What tells a Redis that kept its data from one that may not have. */
export interface ServerState {
  /** Changes with every start of the server. */
  runId: string;
  /** Whether its settings allow it to evict keys. */
  evicts: boolean;
  /** Since it started. */
  evictedKeys: number;
  /** Whether what it was told survives its end; false where neither file nor log is written. */
  persists: boolean;
}

/** The counters of limits in Redis. All reject where it does not answer. */
/** Reservations of a tenant that nobody settled in time, since its counters stand. Unix ms; null for none. */
export interface ExpiredRuns {
  /** Those that then counted as spent, the ones below included. */
  count: number;
  /** Those of them that were settled, or went on, after all. */
  madeGood: number;
  firstAtMs: number | null;
  lastAtMs: number | null;
}

export interface CountersPort {
  server(): Promise<ServerState>;
  /** The epoch that stands of a tenant, null for none, how often each caller wrote, and what expired. */
  look(tenant: string): Promise<{ epoch: string | null; ticks: ReadonlyMap<string, number>; expired: ExpiredRuns }>;
  /** From here on nothing counts under that epoch. */
  invalidate(tenant: string, epoch: string): Promise<void>;
  /** Replaces whatever stands of the tenant, and only then makes the epoch valid. */
  restore(input: {
    tenant: string;
    epoch: string;
    counters: readonly RebuiltCounter[];
    open: readonly OpenReservation[];
    gone: readonly GoneRun[];
  }): Promise<void>;
  read(tenant: string, items: readonly { key: string; window: CounterWindow }[]): Promise<readonly Reading[]>;
}

/** What recorded runs were charged. */
export interface ChargesPort {
  sum(scope: TenantScope, query: ChargesQuery): Promise<readonly ChargeSum[]>;
  /** Ids of runs begun at `sinceMs` (Unix ms) or later that were closed because their proxy was gone, cut as a sum. */
  abandoned(scope: TenantScope, query: Pick<ChargesQuery, 'cuts'> & { sinceMs: number }): Promise<readonly string[]>;
}

export interface ChargesQuery {
  /** `bucketMs` null: one sum since `sinceMs`. */
  limits: readonly { id: string; by: readonly LimitDimension[]; sinceMs: number; bucketMs: number | null }[];
  /** Of these recorders, records after `lastSeq` do not count. */
  cuts: readonly { proxyId: string; proxyEpoch: number; lastSeq: number }[];
}

/** The sum of one limit in one bucket for runs of the same dimensions; dimensions that do not split the limit are null. */
export interface ChargeSum {
  limitId: string;
  /** Unix ms within the bucket. */
  atMs: number;
  subTenant: string | null;
  keyId: string | null;
  actorType: string | null;
  actorId: string | null;
  provider: string | null;
  model: string | null;
  tags: Readonly<Record<string, string>>;
  /** In the limit's unit. */
  settled: bigint;
}

/** What live proxies say of themselves. */
export interface LiveProxiesPort {
  read(): Promise<readonly LiveState[]>;
}

/** Jobs that outlive a request. */
export interface JobQueuePort {
  add(job: { name: string; id: string; data: Readonly<Record<string, unknown>>; attempts: number }): Promise<void>;
}

/** Columns that a page of runs can be narrowed by. */
export type RunFilter = Readonly<
  Partial<
    Record<
      'status' | 'outcome' | 'verdict' | 'provider' | 'model' | 'key_id' | 'session_id' | 'actor_id' | 'sub_tenant',
      string
    >
  >
>;

/** One run with everything that is recorded of it. */
export interface RecordedRun {
  run: RunRow;
  context: DecisionContext | null;
  decision: Decision | null;
  /** One a phase; null where the decision above is the only one, or where they were erased. */
  decisions: readonly OpenDecision[] | null;
  payloads: readonly (PayloadHead & { body: Buffer })[];
  /** The sealed records behind it: exact bytes and leaf hashes. */
  records: readonly {
    proxy_id: string;
    proxy_epoch: number;
    proxy_seq: number;
    kind: string;
    raw: string;
    leaf_hash: string;
  }[];
}

/** What was decided of one run, and on what; null where it was not recorded, or was erased. */
export interface DecidedRun {
  run_id: string;
  tenant: string | null;
  snapshot_id: string | null;
  context: DecisionContext | null;
  context_digest: string | null;
  decision: Decision | null;
  decision_digest: string | null;
  decisions: readonly OpenDecision[] | null;
}

/** Recorded runs. */
export interface RunsPort {
  readPage(
    scope: TenantScope,
    query: { limit: number; cursor: string | null; filter: RunFilter },
  ): Promise<{ rows: readonly RunRow[]; next: string | null }>;
  read(scope: TenantScope, runId: string): Promise<RecordedRun | null>;
  stream(scope: TenantScope): AsyncIterable<RunRow>;
  /** Decisions of runs with ids below `below` that began at `sinceMs` (Unix ms) or later, newest first; none at the end. */
  decisions(
    scope: TenantScope,
    query: { limit: number; sinceMs: number; below: string | null },
  ): Promise<readonly DecidedRun[]>;
}

/** Counts and times of what control does; names and labels are bounded. */
export interface MetricsPort {
  auditAppended(act: string, count: number): void;
  manifestIssued(sequence: number): void;
  applied(result: 'applied' | 'dry_run' | 'refused' | 'failed', durationMs: number): void;
  countersInvalid(tenants: number): void;
  /** All tenants, and whether the counters of each are valid. */
  countersSeen(tenants: readonly { tenant: string; valid: boolean }[]): void;
  rebuildEnded(result: 'done' | 'failed'): void;
  /** How many reservations of a tenant have expired since its counters stand. */
  reservationsExpired(tenant: string, count: number): void;
  /** By proxy, how many rebuilds wait for its spool. */
  rebuildsWait(proxies: ReadonlyMap<string, number>): void;
  spoolsSeen(spools: readonly { report: SpoolReport; ageMs: number }[]): void;
  /** By proxy, how many ranges of its sequence are missing. */
  sequencesSeen(gaps: ReadonlyMap<string, number>): void;
  redisSeen(server: { evicts: boolean; persists: boolean }): void;
  nodesEnrolled(count: number): void;
  /** Everything that was stored by then (Unix ms, this process' clock) is in the rollups. */
  rollupsFresh(atMs: number): void;
}

/** Where operations say what they did that no caller hears of. */
export interface LogPort {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

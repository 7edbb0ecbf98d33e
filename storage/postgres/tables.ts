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
  ProviderRow,
  ServiceTokenRow,
  SettingRow,
  SnapshotRow,
  SpoolRow,
  SubTenantStateRow,
  TenantRow,
} from '../schema/control.ts';

/** Last sequence given out in each log; its row lock is what makes sequences gapless. */
export interface AuditHeadRow {
  tenant: string;
  sequence: number;
}

/** Who may do a piece of work alone, until when (Unix ms of the database's clock). */
export interface LeaseRow {
  name: string;
  holder: string;
  until_ms: number;
}

/** Tables of control's database, by name. */
export interface ControlTables {
  acknowledgements: AcknowledgementRow;
  tenants: TenantRow;
  sub_tenants: SubTenantStateRow;
  providers: ProviderRow;
  credentials: CredentialRow;
  api_keys: ApiKeyRow;
  policies: PolicyRow;
  limits: LimitRow;
  documents: DocumentRow;
  manifests: ManifestRow;
  snapshots: SnapshotRow;
  nodes: NodeRow;
  service_tokens: ServiceTokenRow;
  audit_heads: AuditHeadRow;
  audit_entries: AuditEntryRow;
  audit_open_values: AuditOpenValuesRow;
  batch_seals: BatchSealRow;
  settings: SettingRow;
  spools: SpoolRow;
  counter_rebuilds: CounterRebuildRow;
  counter_marks: CounterMarkRow;
  leases: LeaseRow;
}

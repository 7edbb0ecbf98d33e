import type { KeyObject } from 'node:crypto';
import type { KeyHasher } from '../../policy/access/index.ts';
import type {
  ChargesPort,
  ControlStorePort,
  CountersPort,
  EpochsPort,
  JobQueuePort,
  LiveProxiesPort,
  LogPort,
  ManifestChannelPort,
  MetricsPort,
  RunsPort,
  VaultPort,
} from './ports.ts';
import type { RetentionPort } from './retention/ports.ts';
import type { RollupsPort } from './rollups/ports.ts';

/** Everything an operation works with: drivers behind ports, the installation's keys, clock and randomness. */
export interface ControlContext {
  store: ControlStorePort;
  vault: VaultPort;
  channel: ManifestChannelPort;
  epochs: EpochsPort;
  counters: CountersPort;
  charges: ChargesPort;
  rollups: RollupsPort;
  retention: RetentionPort;
  live: LiveProxiesPort;
  jobs: JobQueuePort;
  runs: RunsPort;
  metrics: MetricsPort;
  log: LogPort;
  hashKey: KeyHasher;
  /** Ed25519 private key that signs manifests. */
  snapshotKey: KeyObject;
  /** Unix ms. */
  now(): number;
  /** That many random bytes as lower-case hex. */
  randomHex(bytes: number): string;
}

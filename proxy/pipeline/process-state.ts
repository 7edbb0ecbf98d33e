import type { LiveState } from '../../storage/schema/live.ts';
import type { LeaseState } from './lease-keeper.ts';
import type { CompiledSnapshot } from './snapshot.ts';

/** What the parts of this process tell each other. */
export interface ProcessState {
  /** Whether new connections are taken. */
  open: boolean;
  running: number;
  leasesLost: number;
  redisIsDown: () => boolean;
  /** Milliseconds since control last confirmed what is in force; null before the first time. */
  snapshotAgeMs: () => number | null;
  /** Hears of every snapshot that comes into force. */
  followSnapshot: (snapshot: CompiledSnapshot) => void;
  /** As `Marks.epochOf`. */
  counterEpoch: (tenant: string) => string;
}

/** The state of a process that starts: nothing is known of engines and snapshots yet. */
export function createProcessState(): ProcessState {
  return {
    ...{ open: true, running: 0, leasesLost: 0 },
    redisIsDown: () => false,
    snapshotAgeMs: () => null,
    followSnapshot: () => undefined,
    counterEpoch: () => '',
  };
}

interface Surroundings {
  state: ProcessState;
  snapshot: CompiledSnapshot | null;
  spool: { proxyId: string; epoch: number; accepts(): boolean };
}

/** What this proxy says of itself once a second. */
export function describeLive({ state, snapshot, spool }: Surroundings, nowMs: number): LiveState {
  return {
    proxy_id: spool.proxyId,
    proxy_epoch: spool.epoch,
    at_ms: nowMs,
    manifest_id: snapshot?.manifestId ?? null,
    manifest_sequence: snapshot?.manifest.sequence ?? null,
    running: state.running,
    draining: !state.open,
  };
}

/** Why this proxy should get no new runs, one reason an entry; empty where it should. */
export function listUnready({ state, snapshot, spool }: Surroundings, lease: LeaseState): string[] {
  return [
    ...(state.open ? [] : ['draining']),
    ...(snapshot === null ? ['no snapshot yet'] : []),
    ...(spool.accepts() ? [] : ['the spool takes no new runs']),
    ...(lease === 'taken' ? ['another proxy holds this proxy id'] : []),
  ];
}

import type { BatchSeal } from '../../storage/schema/audit.ts';
import type { SpoolReport } from '../../storage/schema/live.ts';
import type { FrameKind } from '../../storage/schema/record.ts';
import type { CounterWindow, SettleRequest } from '../../storage/schema/reservation.ts';
import type { Batch } from '../../storage/schema/rows.ts';

/** The two series of a spool: records with small payloads, and large payloads. */
export type Series = 'seg' | 'big';

/** A place in a series of the spool; `offset` in bytes. */
export interface SpoolPosition {
  epoch: number;
  segment: number;
  offset: number;
}

export interface SpoolFrame {
  kind: FrameKind;
  seq: number;
  head: Buffer;
  tail: Buffer;
}

/** Something in the spool that is not as it was written. */
export interface SpoolFinding {
  kind: 'damaged_frame' | 'torn_tail' | 'segments_missing';
  file: string;
  offset: number;
  bytes: number;
  keptCopy: boolean;
}

/** A stretch of one series within one epoch, and what follows it. */
export interface SpoolSlice {
  frames: readonly SpoolFrame[];
  from: SpoolPosition;
  to: SpoolPosition;
  findings: readonly SpoolFinding[];
  end: 'more' | 'waiting' | 'over';
}

/** The read side of the spool. */
export interface SpoolSource {
  first(series: Series): Promise<SpoolPosition | null>;
  nextEpoch(series: Series, epoch: number): Promise<SpoolPosition | null>;
  read(request: {
    series: Series;
    from: SpoolPosition;
    budget: { frames: number; bytes: number };
    epochIsOver: boolean;
    until?: SpoolPosition;
    keepsCopies?: boolean;
  }): Promise<SpoolSlice>;
  newestEpoch(): Promise<number>;
  isEpochOver(epoch: number): Promise<boolean>;
  release(series: Series, position: SpoolPosition): Promise<number>;
  backlog(series: Series, position: SpoolPosition | null): Promise<{ end: SpoolPosition | null; bytes: number }>;
}

/** What of the spool only a report needs. */
export interface SpoolHealth {
  /** Bytes in quarantine now. */
  quarantinedBytes(): Promise<number>;
  /** How often the proxy lost its lease since the spool exists. */
  lostLeases(): Promise<number>;
}

/** One small text that survives any crash whole. */
export interface StateStore {
  load(): Promise<string | null>;
  save(text: string): Promise<void>;
}

/** Seals that control has not acknowledged yet, on disk. */
export interface SealQueue {
  append(lines: readonly string[]): Promise<void>;
  peek(maxLines: number): Promise<{ lines: readonly string[]; end: number }>;
  drop(taken: { lines: readonly string[]; end: number }): Promise<void>;
  pending(): number;
}

/**
 * ClickHouse, as far as the shipper needs it. Idempotent by the batch's id; rejects where it did not acknowledge, with
 * `input_invalid` where it holds a value that no retry can store.
 */
export type InsertBatch = (batch: Batch) => Promise<void>;

/** One run to be settled. */
export interface Settlement extends SettleRequest {
  items: readonly { key: string; amount: bigint; window?: CounterWindow; atMs?: number }[];
  /** It was admitted without counters, at this instant (Unix ms) of this counter epoch: within it, it is counted once. */
  uncounted?: { atMs: number; epoch: string };
}

/** Redis, as far as the shipper needs it. Idempotent by run id; rejects where it did not acknowledge. */
export type Settle = (requests: readonly Settlement[]) => Promise<void>;

/** Control, as far as the shipper needs it. Idempotent by batch and tenant; rejects where it did not acknowledge. */
export type PostSeals = (seals: readonly BatchSeal[]) => Promise<void>;

/** Control again: what stands of the spool. Rejects where it did not acknowledge. */
export type PostReport = (report: SpoolReport) => Promise<void>;

/** Time and chance, owned here so that tests can hold them. */
export interface ShipperClock {
  /** Unix milliseconds. */
  nowMs(): number;
  /** At least 0, below 1. */
  random(): number;
  /** A new batch id, UUIDv7. */
  batchId(): string;
}

/** Where the shipper says what it does. Nothing here may hold a value from a run. */
export interface ShipperTelemetry {
  batchSent(input: { result: 'acknowledged' | 'failed'; records: number; oldestAtMs: number | null }): void;
  /** A batch is sent once more. */
  retried(): void;
  found(finding: SpoolFinding): void;
  unreadable(input: { series: Series; epoch: number; frames: number }): void;
  /** Rows that ClickHouse can never store. */
  refused(input: { batchId: string; rows: number }): void;
  settled(runs: number): void;
  abandoned(runs: number): void;
  failed(what: string, error: unknown): void;
}

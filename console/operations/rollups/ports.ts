import type { TenantScope } from '../../../storage/schema/scope.ts';

/** Sums over the runs of one group; money in nano-USD, times in microseconds. */
export interface RollupRow {
  /** Start of the minute or day, Unix ms; null over the whole. */
  atMs: number | null;
  by: Readonly<Record<string, string | null>>;
  figures: Readonly<Record<string, bigint>>;
}

/** A batch of runs that is stored and not yet in the rollups, with the minutes since 1970 that it touches. */
export interface Touch {
  batchId: string;
  minutes: readonly number[];
}

/** Rollups of recorded runs. Computing is idempotent and may be done by several at once: what saw most stands. */
export interface RollupsPort {
  /** Oldest first. */
  touches(limit: number): Promise<readonly Touch[]>;
  computeMinutes(minutes: readonly number[]): Promise<void>;
  /** From the minutes: call it after them. */
  computeDays(minutes: readonly number[]): Promise<void>;
  /** Call it after both. */
  mark(touches: readonly Touch[]): Promise<void>;
  /** Up to when everything stored is in the rollups; both by the engine's clock, Unix ms. */
  freshness(): Promise<{ freshAtMs: number; nowMs: number }>;
  /** Has minutes computed again whose rollups cover less than is stored; answers how many. */
  touchUncovered(range: { fromMs: number; toMs: number }): Promise<number>;
  read(
    scope: TenantScope,
    query: {
      grain: 'minute' | 'day';
      fromMs: number;
      toMs: number;
      each: 'time' | 'whole';
      by: readonly string[];
      filter?: Readonly<Record<string, string>>;
    },
  ): Promise<readonly RollupRow[]>;
}

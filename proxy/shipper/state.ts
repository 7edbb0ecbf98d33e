import type { RecoveryRecord } from './abandon.ts';
import type { Series, SpoolFinding, SpoolPosition } from './ports.ts';

/** What was wrong in the spool since it exists. */
export interface SpoolTotals {
  damagedFrames: number;
  tornTails: number;
  missingSegments: number;
  refusedRows: number;
  /** Sequence numbers that no record was found for. */
  sequenceGaps: number;
}

/**
 * A batch that was given its id and its exact content before it was first sent: a range of the spool, or records made by
 * recovery. Whoever finds it here after a crash sends the same again under the same id.
 */
export type PendingBatch =
  | {
      kind: 'range';
      id: string;
      series: Series;
      from: SpoolPosition;
      to: SpoolPosition;
      frames: number;
      /** Damage within the range; it counts when the range is acknowledged. */
      findings?: readonly SpoolFinding[];
    }
  | { kind: 'recovery'; id: string; epoch: number; records: readonly RecoveryRecord[] };

/** Where the shipper stands. `seg` and `big`: acknowledged up to here; null before the first batch. */
export interface ShipperState {
  v: 1;
  seg: SpoolPosition | null;
  big: SpoolPosition | null;
  pending: PendingBatch | null;
  /** Next seq of the recovery recorder in the epoch that is being closed. */
  recovery: { epoch: number; nextSeq: number };
  totals: SpoolTotals;
  /** The newest record acknowledged; null before the first. */
  newest: { epoch: number; seq: number } | null;
  /** Counter epochs, by tenant, whose mark has been passed with everything before it acknowledged. */
  marks: Readonly<Record<string, string>>;
}

export const initialState: ShipperState = {
  v: 1,
  seg: null,
  big: null,
  pending: null,
  recovery: { epoch: 0, nextSeq: 1 },
  totals: { damagedFrames: 0, tornTails: 0, missingSegments: 0, refusedRows: 0, sequenceGaps: 0 },
  newest: null,
  marks: {},
};

/** The totals with these findings, and these frames that were sound but no records. */
export function addFindings(totals: SpoolTotals, findings: readonly SpoolFinding[], unreadable = 0): SpoolTotals {
  const count = (kind: SpoolFinding['kind']) => findings.filter((finding) => finding.kind === kind).length;
  return {
    ...totals,
    damagedFrames: totals.damagedFrames + count('damaged_frame') + unreadable,
    tornTails: totals.tornTails + count('torn_tail'),
    missingSegments: totals.missingSegments + count('segments_missing'),
  };
}

/** Reads a saved state. Throws SyntaxError for text that is none: shipping from a guessed place could lose records. */
export function parseState(text: string | null): ShipperState {
  if (text === null) return initialState;
  const state = JSON.parse(text) as ShipperState | null;
  if (state?.v !== 1) throw new SyntaxError('not a shipper state');
  return { ...initialState, ...state };
}

/** How many sequence numbers are missing before and among these records, after the newest that was acknowledged. */
export function countGap(
  newest: ShipperState['newest'],
  sequence: { epoch: number; first: number; last: number; records: number } | null,
): number {
  if (sequence === null) return 0;
  const inside = sequence.last - sequence.first + 1 - sequence.records;
  // What came before the first batch that was ever counted, nobody knows any more.
  const expected = newest === null ? sequence.first : newest.epoch === sequence.epoch ? newest.seq + 1 : 1;
  return Math.max(0, inside) + Math.max(0, sequence.first - expected);
}

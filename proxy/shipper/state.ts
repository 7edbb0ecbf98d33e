import type { RecoveryRecord } from './abandon.ts';
import type { Series, SpoolPosition } from './ports.ts';

/**
 * A batch that was given its id and its exact content before it was first sent: a range of the spool, or records made by
 * recovery. Whoever finds it here after a crash sends the same again under the same id.
 */
export type PendingBatch =
  | { kind: 'range'; id: string; series: Series; from: SpoolPosition; to: SpoolPosition; frames: number }
  | { kind: 'recovery'; id: string; epoch: number; records: readonly RecoveryRecord[] };

/** Where the shipper stands. `seg` and `big`: acknowledged up to here; null before the first batch. */
export interface ShipperState {
  v: 1;
  seg: SpoolPosition | null;
  big: SpoolPosition | null;
  pending: PendingBatch | null;
  /** Next seq of the recovery recorder in the epoch that is being closed. */
  recovery: { epoch: number; nextSeq: number };
}

export const initialState: ShipperState = {
  v: 1,
  seg: null,
  big: null,
  pending: null,
  recovery: { epoch: 0, nextSeq: 1 },
};

/** Reads a saved state. Throws SyntaxError for text that is none: shipping from a guessed place could lose records. */
export function parseState(text: string | null): ShipperState {
  if (text === null) return initialState;
  const state = JSON.parse(text) as ShipperState | null;
  if (state?.v !== 1) throw new SyntaxError('not a shipper state');
  return state;
}

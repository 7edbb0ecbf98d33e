export { readIfPresent, saveAtomically } from './atomic-file.ts';
export { type Ballast, keepBallast } from './ballast.ts';
export type { Room, Spool, SpoolOptions } from './contract.ts';
export { type LineLog, openLineLog, type TakenLines } from './line-log.ts';
export { readLostLeases } from './lost-leases.ts';
export {
  openSpoolReader,
  type SpoolFinding,
  type SpoolReader,
  type SpoolReadRequest,
  type SpoolSlice,
} from './reader.ts';
export { type Series, type SpoolPosition, spoolFolder } from './segment.ts';
export { openSpool } from './spool.ts';
export type { ReadBudget, SpoolFrame } from './window.ts';

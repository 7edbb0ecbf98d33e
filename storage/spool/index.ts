export { readIfPresent, saveAtomically } from './atomic-file.ts';
export { type Ballast, keepBallast } from './ballast.ts';
export { type LineLog, openLineLog, type TakenLines } from './line-log.ts';
export {
  openSpoolReader,
  type SpoolFinding,
  type SpoolReader,
  type SpoolReadRequest,
  type SpoolSlice,
} from './reader.ts';
export { type Series, type SpoolPosition, spoolFolder } from './segment.ts';
export { openSpool, type Spool, type SpoolOptions } from './spool.ts';
export type { ReadBudget, SpoolFrame } from './window.ts';

import { join } from 'node:path';
import { readIfPresent, saveAtomically } from './atomic-file.ts';
import { listSegments } from './segment.ts';

const epochFile = 'epoch';
/** Records keep the epoch in 32 bits: a clock beyond this only counts up. */
const latestByClock = 0xffff_0000;

/** The newest epoch that was ever begun in the folder, 0 for none. Survives the loss of the file as long as a segment is left. */
export async function readEpoch(folder: string): Promise<number> {
  const written = Number((await readIfPresent(join(folder, epochFile))) ?? '0');
  const segments = await listSegments(folder);
  return Math.max(Number.isSafeInteger(written) ? written : 0, segments.at(-1)?.epoch ?? 0);
}

/**
 * Begins the next epoch: durable before it returns, greater than every one before, and at least the Unix second. So a folder
 * that was deleted begins no epoch a second time, whose sequences are on record already. The caller holds the lock.
 */
export async function beginEpoch(folder: string, nowMs: number): Promise<number> {
  const second = Math.min(Math.floor(nowMs / 1000), latestByClock);
  const epoch = Math.max((await readEpoch(folder)) + 1, second);
  await saveAtomically(join(folder, epochFile), `${epoch}\n`);
  return epoch;
}

import { join } from 'node:path';
import { readIfPresent, saveAtomically } from './atomic-file.ts';
import { listSegments } from './segment.ts';

const epochFile = 'epoch';

/** The newest epoch that was ever begun in the folder, 0 for none. Survives the loss of the file as long as a segment is left. */
export async function readEpoch(folder: string): Promise<number> {
  const written = Number((await readIfPresent(join(folder, epochFile))) ?? '0');
  const segments = await listSegments(folder);
  return Math.max(Number.isSafeInteger(written) ? written : 0, segments.at(-1)?.epoch ?? 0);
}

/** Begins the next epoch: durable before it returns, and greater than every one before. The caller holds the lock. */
export async function beginEpoch(folder: string): Promise<number> {
  const epoch = (await readEpoch(folder)) + 1;
  await saveAtomically(join(folder, epochFile), `${epoch}\n`);
  return epoch;
}

import { join } from 'node:path';
import { readIfPresent, saveAtomically } from './atomic-file.ts';

const lostLeasesFile = 'lost-leases';

/** How often the proxy of this spool lost its lease since the spool exists. Rejects with the system's error. */
export async function readLostLeases(folder: string): Promise<number> {
  const count = Number((await readIfPresent(join(folder, lostLeasesFile))) ?? '0');
  return Number.isSafeInteger(count) ? count : 0;
}

/** Notes one more, for whoever reports on the spool. The caller holds the lock. Rejects with the system's error. */
export async function addLostLease(folder: string): Promise<void> {
  await saveAtomically(join(folder, lostLeasesFile), String((await readLostLeases(folder)) + 1));
}

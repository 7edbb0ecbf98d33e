import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { readIfPresent, saveAtomically } from './atomic-file.ts';

const identityFile = 'identity';

/**
 * Who this spool is, over all its epochs: a random id that lies in its folder. Two hosts that were given one proxy id have two
 * of them. The caller holds the lock. Rejects with the system's error.
 */
export async function openIdentity(folder: string): Promise<string> {
  const path = join(folder, identityFile);
  const known = (await readIfPresent(path))?.trim();
  if (known !== undefined && known !== '') return known;
  const identity = randomUUID();
  await saveAtomically(path, `${identity}\n`);
  return identity;
}

import { unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const ballastBytes = 1024 * 1024;

/** A little room kept on the disk for whoever makes room on it. */
export interface Ballast {
  /** Does `act`; where it fails for want of space, gives the room up and does it once more. Rejects as `act` does. */
  withRoom<T>(act: () => Promise<T>): Promise<T>;
  /** Takes the room again if it was given up and there is space. */
  restore(): Promise<void>;
}

/**
 * Keeps 1 MB in `<folder>/ballast`. The shipper frees a full disk by unlinking segments, but has to write its own state
 * before it may: without this a disk filled to the last byte would stay full. Where there is no room for it, there is none.
 */
export async function keepBallast(folder: string): Promise<Ballast> {
  const path = join(folder, 'ballast');
  let held = false;
  const restore = async (): Promise<void> => {
    if (held) return;
    try {
      await writeFile(path, Buffer.alloc(ballastBytes), { mode: 0o600 });
      held = true;
    } catch {
      // Half a ballast on a full disk would only take what the spool needs.
      await unlink(path).catch(() => undefined);
    }
  };
  await restore();
  return {
    restore,
    async withRoom(act) {
      try {
        return await act();
      } catch (error) {
        const isFull = ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
        if (!isFull || !held) throw error;
        held = false;
        await unlink(path);
        return await act();
      }
    },
  };
}

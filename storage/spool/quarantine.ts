import { type FileHandle, mkdir, open, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { maxFrameBytes } from './frame.ts';

const quarantineFolder = 'quarantine';
const pieceBytes = 1024 * 1024;

/**
 * Copies the bytes from `start` to `end` of a segment to `<folder>/quarantine/<segment>@<start>`, at most 16 MB of them, so
 * that they outlive the segment. The same place is copied once. Returns false where the disk did not take them: a damaged
 * disk must not stop what is sound from being shipped.
 */
export async function setAside(input: {
  folder: string;
  segment: string;
  source: FileHandle;
  start: number;
  end: number;
}): Promise<boolean> {
  try {
    await mkdir(join(input.folder, quarantineFolder), { recursive: true, mode: 0o700 });
    const copy = await open(join(input.folder, quarantineFolder, `${input.segment}@${input.start}`), 'w', 0o600);
    try {
      const end = Math.min(input.end, input.start + maxFrameBytes);
      const piece = Buffer.allocUnsafe(pieceBytes);
      for (let at = input.start; at < end; ) {
        const { bytesRead } = await input.source.read(piece, 0, Math.min(pieceBytes, end - at), at);
        if (bytesRead === 0) break;
        await copy.write(piece, 0, bytesRead);
        at += bytesRead;
      }
    } finally {
      await copy.close();
    }
    return true;
  } catch {
    return false;
  }
}

/** Moves a whole segment into quarantine: the disk refused to read some of it, and may give it to somebody else. */
export async function setSegmentAside(folder: string, segment: string): Promise<void> {
  await mkdir(join(folder, quarantineFolder), { recursive: true, mode: 0o700 });
  await rename(join(folder, segment), join(folder, quarantineFolder, segment));
}

/** Bytes that lie in quarantine until somebody has looked at them and removes them. */
export async function countQuarantined(folder: string): Promise<number> {
  const path = join(folder, quarantineFolder);
  const files = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const sizes = await Promise.all(
    files.map((file) =>
      stat(join(path, file)).then(
        (found) => found.size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

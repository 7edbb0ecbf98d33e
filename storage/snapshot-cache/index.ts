import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SignedManifest } from '../schema/snapshot.ts';

export interface SnapshotCacheFiles {
  readManifest(): Promise<SignedManifest | null>;
  saveManifest(manifest: SignedManifest): Promise<void>;
  readDocument(id: string): Promise<string | null>;
  saveDocument(id: string, bytes: string): Promise<void>;
}

/**
 * The last good snapshot in a folder: `manifest.json` and one file a document, named by its digest. Files are replaced
 * whole. What cannot be read counts as absent, since every document can be fetched again.
 */
export async function openSnapshotCache(folder: string): Promise<SnapshotCacheFiles> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const pathOf = (id: string) => join(folder, `${id}.json`);
  const save = async (path: string, text: string) => {
    const temporary = `${path}.${process.pid}.new`;
    await writeFile(temporary, text, { mode: 0o600 });
    await rename(temporary, path);
  };
  const saved = new Set<string>();
  return {
    async readManifest() {
      const text = await readOrNull(pathOf('manifest'));
      return text === null ? null : (JSON.parse(text) as SignedManifest);
    },
    saveManifest: (manifest) => save(pathOf('manifest'), JSON.stringify(manifest)),
    readDocument: (id) => readOrNull(pathOf(id)),
    async saveDocument(id, bytes) {
      if (saved.has(id)) return;
      await save(pathOf(id), bytes);
      saved.add(id);
    },
  };
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return null;
  }
}

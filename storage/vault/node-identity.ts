import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { NodeKey } from './node-key.ts';

/** A node's identity as control gave it, with the key pair it was given for. */
export interface SavedNodeIdentity {
  node_id: string;
  node_token: string;
  key: NodeKey;
}

/** Keeps a node's identity in one file (0600). `read` gives null where there is none yet. */
export function openNodeIdentity(path: string): {
  read(): Promise<SavedNodeIdentity | null>;
  save(identity: SavedNodeIdentity): Promise<void>;
} {
  return {
    async read() {
      const text = await readFile(path, 'utf8').catch(() => null);
      return text === null ? null : (JSON.parse(text) as SavedNodeIdentity);
    },
    async save(identity) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFile(path, JSON.stringify(identity), { mode: 0o600 });
    },
  };
}
